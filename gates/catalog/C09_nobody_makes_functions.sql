-- C09: no runtime role can create a function, in any language and any schema
-- invariants: INV-006, INV-010
-- severity: error
-- remedy: revoke create on the schema; revoke temporary on the database; then nothing is left to create in
-- Decided: PUBLIC keeps USAGE on SQL and PL/pgSQL, PostgreSQL's default. Taking it away gains nothing as long as no runtime
-- role can create anything, which is what is looked at here; DO runs with the rights of who runs it.
-- Runtime role: a symphony role that is no owner, and every role that is a member of one, superusers aside.
with runtime as (
  select r.oid, r.rolname from pg_catalog.pg_roles as r
  where not r.rolsuper and exists (
    select from pg_catalog.pg_roles as c
    where c.rolname ~ '^symphony_' and c.rolname !~ '_owner$' and pg_has_role(r.oid, c.oid, 'MEMBER'))
)
select r.rolname::text, format('may create in schema %s', n.nspname)
from runtime as r, pg_catalog.pg_namespace as n
where has_schema_privilege(r.oid, n.oid, 'CREATE')
union all
select r.rolname::text, 'may create temporary objects in this database'
from runtime as r
where has_database_privilege(r.oid, current_database(), 'TEMPORARY')
union all
select 'language ' || l.lanname, format('%s holds USAGE on it', coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'PUBLIC'))
from pg_catalog.pg_language as l
cross join lateral aclexplode(l.lanacl) as x
where x.grantee <> l.lanowner and (x.grantee <> 0 or not l.lanpltrusted);
