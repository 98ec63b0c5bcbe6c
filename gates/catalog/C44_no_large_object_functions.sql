-- C44: no role of ours, nor PUBLIC, may write a large object
-- invariants: INV-005, INV-014
-- severity: error
-- remedy: run symphony migrate: sql/grants.sql revokes them; stock PostgreSQL leaves them to PUBLIC
-- lo_open is among them, for lo_truncate and lowrite work on what it opened.
select p.oid::regprocedure::text, format('%s holds EXECUTE', coalesce(r.rolname, 'PUBLIC'))
from pg_catalog.pg_proc as p
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where p.pronamespace = 'pg_catalog'::regnamespace
  and p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_open', 'lo_unlink')
  and (x.grantee = 0 or (not r.rolsuper and exists (
    select from pg_catalog.pg_roles as s where s.rolname ~ '^symphony_' and pg_has_role(r.oid, s.oid, 'MEMBER'))));
