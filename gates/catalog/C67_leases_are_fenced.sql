-- C67: a lease names worker, token and end, and whoever ends or extends it must match all three in one statement
-- invariants: INV-013
-- severity: error
-- remedy: compare the function with sql/functions/outbox; restore the column or constraint by a new migration
-- Comments, quoted names and literals with a space in them are taken out first; what C46 cannot look behind is red there.
-- Structural proof only: that the text which carries the fence is there. driver/tests/test_worker_races.py shows that it holds.
with body as (
  select n.nspname || '.' || p.proname as name, regexp_replace(regexp_replace(p.prosrc,
    '(''[^''\s]*'')|''([^'']|'''')*''|"([^"]|"")*"|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/', '\1 ', 'g'), '\s+', ' ', 'g') as text
  from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
)
select w.name, 'its body does not hold: ' || w.text
from (values
  ('outbox.complete_outbox_attempts', 'delete from outbox.payment_outbox_in_flight as f using'),
  ('outbox.complete_outbox_attempts', 'where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.rail = g.rail and f.lease_expires_at > v_now returning'),
  ('outbox.extend_leases', 'where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.lease_expires_at > v_now returning'),
  ('outbox.repair_expired_leases', 'where f.participant_id = e.participant_id and f.outbox_id = e.outbox_id and f.lease_token = e.lease_token and f.lease_expires_at <= v_now returning')
) as w(name, text)
where not exists (select from body as b where b.name = w.name and strpos(b.text, w.text) > 0)
union all
select 'outbox.payment_outbox_in_flight.' || c.name, 'may be null'
from unnest(array['claimed_by', 'lease_token', 'claimed_at', 'lease_expires_at']) as c(name)
where not exists (
  select from pg_catalog.pg_attribute as a
  where a.attrelid = to_regclass('outbox.payment_outbox_in_flight') and a.attname = c.name and a.attnotnull)
union all
select 'outbox.payment_outbox_in_flight.' || w.name, 'is missing, or is not: ' || w.definition
from (values
  ('payment_outbox_in_flight_pkey', 'PRIMARY KEY (participant_id, outbox_id)'),
  ('in_flight_lease_ends_after_claim', 'CHECK ((lease_expires_at > claimed_at))')
) as w(name, definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass('outbox.payment_outbox_in_flight') and k.conname = w.name
    and pg_get_constraintdef(k.oid) = w.definition and k.convalidated and k.conenforced);
