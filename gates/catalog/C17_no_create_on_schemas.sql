-- C17: only a schema's owner may create in it
-- invariants: INV-006
-- severity: error
-- remedy: revoke create on the schema; DDL comes by migration
select 'schema ' || n.nspname, format('%s holds CREATE', coalesce(r.rolname, 'PUBLIC'))
from pg_catalog.pg_namespace as n
cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where (n.nspname = 'public' or pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$')
  and x.privilege_type = 'CREATE' and x.grantee <> n.nspowner;
