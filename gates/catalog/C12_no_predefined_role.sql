-- C12: no role of ours, and no login of ours, is a member of a predefined role
-- invariants: INV-005
-- severity: error
-- remedy: revoke the predefined role: pg_write_all_data and its kin pass every grant by
select r.rolname::text, format('is a member of %s', g.rolname)
from pg_catalog.pg_roles as r
join pg_catalog.pg_roles as g on g.rolname ~ '^pg_' and pg_has_role(r.oid, g.oid, 'MEMBER')
where not r.rolsuper and r.oid <> g.oid and exists (
  select from pg_catalog.pg_roles as s where s.rolname ~ '^symphony_' and pg_has_role(r.oid, s.oid, 'MEMBER'));
