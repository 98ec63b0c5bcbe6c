-- C64: retries, enquiries, leases and caps are finite by constraint
-- invariants: INV-015
-- severity: error
-- remedy: restore the constraint by a new migration; a budget without a ceiling is an endless payment
with wanted(relation, name, definition) as (values
  ('policy.rails', 'rail_retry_ceiling_is_finite', 'CHECK (((retry_max >= 0) AND (retry_max <= 100)))'),
  ('policy.rails', 'rail_backoff_is_bounded', 'CHECK ((((retry_base_ms >= 1) AND (retry_base_ms <= retry_cap_ms)) AND (retry_cap_ms <= 3600000)))'),
  ('policy.rails', 'rail_enquiry_ladder_is_finite', 'CHECK ((((cardinality(enquiry_after_ms) >= 1) AND (cardinality(enquiry_after_ms) <= 10)) AND (array_ndims(enquiry_after_ms) = 1) AND (array_position(enquiry_after_ms, NULL::integer) IS NULL) AND (0 < ALL (enquiry_after_ms))))'),
  ('policy.rails', 'rail_lease_is_bounded', 'CHECK (((lease_ms >= 1000) AND (lease_ms <= 600000)))'),
  ('policy.rails', 'rail_settle_is_bounded', 'CHECK (((settle_ms >= 0) AND (settle_ms <= 86400000)))'),
  ('policy.rails', 'rail_in_flight_cap_is_finite', 'CHECK (((in_flight_cap >= 1) AND (in_flight_cap <= 1000000)))'),
  ('policy.participants', 'participant_in_flight_cap_is_finite', 'CHECK (((in_flight_cap >= 1) AND (in_flight_cap <= 1000000)))'),
  ('policy.policy_versions', 'policy_in_flight_cap_is_finite', 'CHECK (((in_flight_cap_global >= 1) AND (in_flight_cap_global <= 1000000)))')
)
select w.relation || '.' || w.name, 'is missing, or is not: ' || w.definition
from wanted as w
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass(w.relation) and k.conname = w.name and pg_get_constraintdef(k.oid) = w.definition
    and k.convalidated and k.conenforced)
union all
-- A CHECK lets NULL pass, so each of these columns must refuse it.
select c.relation || '.' || c.name, 'may be null, and so without a ceiling'
from (values
  ('policy.rails', 'retry_max'), ('policy.rails', 'retry_base_ms'), ('policy.rails', 'retry_cap_ms'), ('policy.rails', 'enquiry_after_ms'),
  ('policy.rails', 'lease_ms'), ('policy.rails', 'settle_ms'), ('policy.rails', 'in_flight_cap'),
  ('policy.participants', 'in_flight_cap'), ('policy.policy_versions', 'in_flight_cap_global'),
  ('outbox.payment_outbox_pending', 'retries_used'), ('outbox.payment_outbox_pending', 'enquiries_used'),
  ('outbox.payment_outbox_in_flight', 'retries_used'), ('outbox.payment_outbox_in_flight', 'enquiries_used')
) as c(relation, name)
where not exists (
  select from pg_catalog.pg_attribute as a where a.attrelid = to_regclass(c.relation) and a.attname = c.name and a.attnotnull);
