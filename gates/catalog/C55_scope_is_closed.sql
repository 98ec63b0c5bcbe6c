-- C55: schemas, owner roles and capability roles are exactly those of DESIGN sections 2 and 7
-- invariants: INV-004, INV-005, INV-007
-- severity: error
-- remedy: give the schema back to its owner role, or drop what does not belong; a new context or capability changes DESIGN first
-- Every other gate looks at schemas whose owner is symphony_<context>_owner; this one keeps that scope from being left by a change
-- of owner or by a schema beside them. tap (pgTAP) stands in test databases; logins may be called symphony_<capability>_<suffix>.
with contexts(name) as (
  select unnest(array['core', 'evidence', 'policy', 'proxy', 'outbox', 'ingress', 'rails', 'routing', 'ops'])
), roles(name) as (
  select 'symphony_' || c.name || '_owner' from contexts as c
  union all
  select unnest(array['symphony_ingest', 'symphony_status_reader', 'symphony_evidence_reader', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin',
    'symphony_router', 'symphony_sealer', 'symphony_maintainer', 'symphony_auditor'])
)
select 'schema ' || c.name, format('belongs to %s', coalesce(pg_get_userbyid(n.nspowner)::text, 'nobody: it is missing'))
from contexts as c
left join pg_catalog.pg_namespace as n on n.nspname = c.name
where pg_get_userbyid(n.nspowner) is distinct from 'symphony_' || c.name || '_owner'
union all
select 'schema ' || n.nspname, format('is no context of DESIGN section 2; it belongs to %s', pg_get_userbyid(n.nspowner))
from pg_catalog.pg_namespace as n
where n.nspname not in (select c.name from contexts as c)
  and (pg_get_userbyid(n.nspowner) ~ '^symphony_' or (n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public', 'tap')))
union all
select w.name, 'is missing' from roles as w where w.name not in (select r.rolname from pg_catalog.pg_roles as r)
union all
select r.rolname::text, 'is no role of DESIGN section 7'
from pg_catalog.pg_roles as r
where r.rolname ~ '^symphony_' and r.rolname not in (select w.name from roles as w)
  and (not r.rolcanlogin or r.rolname ~ '_owner$');
