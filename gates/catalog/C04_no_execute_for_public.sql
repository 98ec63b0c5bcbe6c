-- C04: PUBLIC may execute no function of ours
-- invariants: INV-005
-- severity: error
-- remedy: revoke all on function ... from public in the function's file; name the callers in sql/grants.sql
select p.oid::regprocedure::text, 'PUBLIC holds EXECUTE'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
where x.grantee = 0;
