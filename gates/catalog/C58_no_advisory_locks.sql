-- C58: no role of ours, nor PUBLIC, may take an advisory lock
-- invariants: INV-005
-- severity: error
-- remedy: run symphony migrate: sql/grants.sql revokes them; stock PostgreSQL leaves them to PUBLIC
-- The migration runner waits for one, and the table of locks is shared and finite. Releasing one harms nobody.
select p.oid::regprocedure::text, format('%s holds EXECUTE', coalesce(r.rolname, 'PUBLIC'))
from pg_catalog.pg_proc as p
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
  and (x.grantee = 0 or (not r.rolsuper and exists (
    select from pg_catalog.pg_roles as s where s.rolname ~ '^symphony_' and pg_has_role(r.oid, s.oid, 'MEMBER'))));
