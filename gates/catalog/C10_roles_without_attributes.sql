-- C10: owner and capability roles are NOLOGIN and have no attribute that bypasses a rule
-- invariants: INV-007
-- severity: error
-- remedy: alter role ... nologin noinherit nosuperuser nobypassrls nocreaterole nocreatedb noreplication
select r.rolname::text, format('has %s', a.attribute)
from pg_catalog.pg_roles as r
cross join lateral (values
  ('LOGIN', r.rolcanlogin), ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
  ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication), ('INHERIT', r.rolinherit)) as a(attribute, has)
where a.has and (r.rolname ~ '^symphony_[a-z]+_owner$' or r.rolname in (
  'symphony_ingest', 'symphony_status_reader', 'symphony_evidence_reader', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin',
  'symphony_router', 'symphony_sealer', 'symphony_maintainer', 'symphony_auditor'));
