-- C18: nobody but its owner may create schemas or temporary tables in the database
-- invariants: INV-006
-- severity: error
-- remedy: run symphony migrate: sql/grants.sql revokes it; a database copied by CREATE DATABASE ... TEMPLATE has lost it
-- TEMP lets a session shadow names; the copy of a template starts with PostgreSQL's defaults again.
select 'this database', format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_database as d
cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where d.datname = current_database() and x.privilege_type in ('CREATE', 'TEMPORARY')
  and x.grantee <> d.datdba and not coalesce(r.rolsuper, false);
