-- C37: nobody but a superuser may set a protected parameter
-- invariants: INV-005, INV-014
-- severity: error
-- remedy: revoke set, alter system on parameter ... from the role: session_replication_role would silence triggers
select p.parname, format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_parameter_acl as p
cross join lateral aclexplode(p.paracl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where not coalesce(r.rolsuper, false);
