-- C12: no role of ours is in a predefined role, and nobody at all in those that pass every grant by
-- invariants: INV-005
-- severity: error
-- remedy: revoke the predefined role: pg_write_all_data and its kin pass every grant by; a backup login needs a recorded exception
-- PostgreSQL's own roles (oid below 16384) are in each other by design; who makes a superuser is C11's.
select r.rolname::text, format('is a member of %s', g.rolname)
from pg_catalog.pg_roles as r
join pg_catalog.pg_roles as g on g.rolname ~ '^pg_' and pg_has_role(r.oid, g.oid, 'MEMBER')
where not r.rolsuper and r.oid <> g.oid and (
  exists (select from pg_catalog.pg_roles as s where s.rolname ~ '^symphony_' and pg_has_role(r.oid, s.oid, 'MEMBER'))
  or (r.oid >= 16384 and g.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_execute_server_program',
    'pg_read_server_files', 'pg_write_server_files')));
