-- C21: no privilege is granted on a single column
-- invariants: INV-010
-- severity: error
-- remedy: revoke it; who may see part of a table reads a view
select c.oid::regclass || '.' || a.attname, format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(a.attacl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where x.grantee <> c.relowner;
