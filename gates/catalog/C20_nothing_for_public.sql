-- C20: PUBLIC holds nothing on a schema, table, view, sequence or column of ours
-- invariants: INV-005
-- severity: error
-- remedy: revoke all on ... from public (sql/grants.sql does, when it is loaded)
-- Functions are C04. Types keep PostgreSQL's default, USAGE to PUBLIC: it serves only to make objects of the type, and nobody
-- can make any (C09, C17, C18).
select a.identity, format('PUBLIC holds %s', x.privilege_type)
from (
  select n.oid as namespace, 'schema ' || n.nspname as identity, n.nspacl as acl from pg_catalog.pg_namespace as n
  union all
  select c.relnamespace, c.oid::regclass::text, c.relacl from pg_catalog.pg_class as c
  union all
  select c.relnamespace, c.oid::regclass || '.' || a.attname, a.attacl
  from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid
) as a
join pg_catalog.pg_namespace as n on n.oid = a.namespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(a.acl) as x
where x.grantee = 0;
