-- C11: no role is privileged beside the server's own superuser and who runs the migrations
-- invariants: INV-005
-- severity: error
-- remedy: alter role ... no<attribute>; a role that must have it (a replication login) is a recorded exception
-- openbao_issuer makes and ends the short-lived logins (symphony bao bootstrap) and has CREATEROLE for that.
-- Role 10 is the superuser that initdb made, whatever its name.
select r.rolname::text, format('has %s', a.attribute)
from pg_catalog.pg_roles as r
cross join lateral (values
  ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
  ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)) as a(attribute, has)
where a.has and r.oid <> 10
  and not (a.attribute = 'CREATEROLE' and r.rolname = 'openbao_issuer')
  and not (r.rolsuper and r.oid in (
    select c.relowner from pg_catalog.pg_class as c where c.oid = to_regclass('core.schema_migration')));
