-- C24: every table refuses UPDATE and DELETE by an ALWAYS row trigger, unless it is named here as one that changes
-- invariants: INV-014
-- severity: error
-- remedy: create the trigger (core.refuse_change) and ENABLE ALWAYS it in <context>/append_only.sql; or name the table here
-- Append-only is the default, so that a new table cannot forget it. Leaves are looked at one by one; they count as their root.
with changing(name, reason) as (values
  ('core.errors', 'register, changed by migrations only: no function writes it'),
  ('core.reasons', 'register, changed by migrations only: no function writes it'),
  ('core.month_partitioned', 'register, changed by migrations only: no function writes it'),
  ('policy.limit_usage', 'hot: what a participant has used of its day'),
  ('policy.halts_in_force', 'projection of the ledger policy.halts'),
  ('outbox.instruction_parties', 'erasable: the only personal data'),
  ('outbox.payment_outbox_pending', 'hot: the queue'),
  ('outbox.payment_outbox_in_flight', 'hot: the leases'),
  ('outbox.claim_gate', 'hot: the claim cursor'),
  ('routing.current', 'the one row that says where traffic goes; every move is a decision in the ledger'),
  ('routing.health_samples', 'hot: pruned; what decided is copied into the decision')
), guarded(name, function) as (values
  -- These change in one documented way, which their own guard enforces.
  ('policy.policy_versions', 'policy.guard_version'),
  ('outbox.participant_outbox_sequences', 'outbox.guard_sequence')
)
select c.oid::regclass::text, format('no enabled ALWAYS trigger BEFORE %s FOR EACH ROW, without WHEN or column list, calls %s',
  e.event, coalesce(g.function, 'core.refuse_change'))
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral (select coalesce(pg_partition_root(c.oid), c.oid)::oid as oid) as root
left join guarded as g on to_regclass(g.name) = root.oid
cross join (values ('UPDATE', 16), ('DELETE', 8)) as e(event, bit)
where c.relkind in ('r', 'p')
  and not exists (select from changing as m where to_regclass(m.name) = root.oid)
  and not exists (
    select from pg_catalog.pg_trigger as t
    where t.tgrelid = c.oid and t.tgenabled = 'A' and t.tgtype & (1 | 2 | e.bit) = (1 | 2 | e.bit)
      and t.tgqual is null and t.tgattr = ''::int2vector
      and t.tgfoid = to_regproc(coalesce(g.function, 'core.refuse_change')))
union all
select m.name, 'is named in this gate and does not exist: a later table of that name would be excused'
from (select c.name from changing as c union all select g.name from guarded as g) as m
where to_regclass(m.name) is null;
