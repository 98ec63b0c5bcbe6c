-- C05: nobody may pass a privilege on
-- invariants: INV-005
-- severity: error
-- remedy: revoke grant option for ... from the role; sql/grants.sql is the one place that grants
select a.identity, format('%s holds %s with grant option', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from (
  select n.oid as namespace, 'schema ' || n.nspname as identity, n.nspacl as acl from pg_catalog.pg_namespace as n
  union all
  select p.pronamespace, p.oid::regprocedure::text, p.proacl from pg_catalog.pg_proc as p
  union all
  select c.relnamespace, c.oid::regclass::text, c.relacl from pg_catalog.pg_class as c
  union all
  select c.relnamespace, c.oid::regclass || '.' || a.attname, a.attacl
  from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid
  union all
  select t.typnamespace, t.oid::regtype::text, t.typacl from pg_catalog.pg_type as t
) as a
join pg_catalog.pg_namespace as n on n.oid = a.namespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(a.acl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where x.is_grantable;
