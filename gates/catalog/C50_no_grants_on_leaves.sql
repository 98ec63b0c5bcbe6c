-- C50: nothing is granted on a partition
-- invariants: INV-010
-- severity: error
-- remedy: revoke it: who may read the table reads it by its root
select c.oid::regclass::text, format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(c.relacl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where c.relispartition and x.grantee <> c.relowner;
