-- C24: every table refuses UPDATE and DELETE by an ALWAYS row trigger, unless it is named here as one that changes
-- invariants: INV-014
-- severity: error
-- remedy: create the trigger (core.refuse_change) and ENABLE ALWAYS it in <context>/append_only.sql; or name the table, or the guard's new digest, here
-- The guards' bodies are named by their MD5, core.raise_error among them, for TRUNCATE goes on when it does not raise: whoever
-- changes one reads it again and writes the new digest here.
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
  ('ingress.registry_state', 'one row: the version that caches poll'),
  ('ingress.revocation_sources', 'state: when each source was last read; what it revoked is in the ledger'),
  ('ingress.seen_jti', 'hot ring: what was used once; slots that are over are truncated'),
  ('ingress.replay_horizon', 'one row: which buckets of the ring are closed'),
  ('proxy.proxy_resolution_current', 'cache: replaced by later answers (proxy.guard_current) and forgotten when it is over'),
  ('proxy.resolution_queue', 'hot: aliases to be resolved, and their leases'),
  ('proxy.miss_counts', 'hot: how often a participant named nobody within the hour'),
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
where to_regclass(m.name) is null
union all
select b.name, 'its body is not the one that this gate knows to refuse'
from (values
  ('core.refuse_change', '02a153828d73a887d0888199d46fe80f'),
  ('policy.guard_version', '14a2a9b68b8926e48d8833ae46ad9635'),
  ('outbox.guard_sequence', '6a8f9ffcdefff740204fb8e058b857c2'),
  ('core.raise_error', '0af95d6df646fe0741ba68623d836390')
) as b(name, digest)
where not exists (
  select from pg_catalog.pg_proc as p join pg_catalog.pg_language as l on l.oid = p.prolang
  where p.oid = to_regproc(b.name) and l.lanname = 'plpgsql' and md5(p.prosrc) = b.digest);
