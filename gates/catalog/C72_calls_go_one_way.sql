-- C72: a context executes functions of another one only where DESIGN section 2 lets it
-- invariants: INV-005
-- severity: error
-- remedy: move the function, or change DESIGN section 2 and this list with a reason
-- Two exceptions: the single enqueue asks ingress for its own attestation, to which a foreign key leads anyway; ops makes the
-- partitions of every context.
with may(caller, callees) as (values
  ('core', array[]::text[]),
  ('evidence', array['core']),
  ('policy', array['core', 'evidence']),
  ('proxy', array['core', 'evidence', 'policy']),
  ('outbox', array['core', 'evidence', 'policy', 'proxy']),
  ('ingress', array['core', 'evidence', 'policy', 'proxy', 'outbox']),
  ('rails', array['core', 'outbox', 'evidence']),
  ('routing', array['core', 'evidence']),
  ('ops', array['core', 'evidence', 'policy', 'proxy', 'outbox', 'ingress', 'rails', 'routing'])
)
select p.oid::regprocedure::text, format('%s may execute it', r.rolname)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(p.proacl) as x
join pg_catalog.pg_roles as r on r.oid = x.grantee and r.rolname ~ '^symphony_[a-z]+_owner$'
where x.grantee <> p.proowner
  and not exists (
    select from may as m where r.rolname = 'symphony_' || m.caller || '_owner' and n.nspname = any (m.callees))
  and not (r.rolname = 'symphony_outbox_owner' and p.oid = to_regprocedure('ingress.find_accepted(text, uuid, text)'));
