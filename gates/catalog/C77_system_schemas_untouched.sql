-- C77: pg_catalog and information_schema hold what PostgreSQL brought, and nothing else
-- invariants: INV-004, INV-008
-- severity: error
-- remedy: drop it: every search_path begins there, and no other gate looks there
-- PostgreSQL's own oids end at 16383, whatever was migrated or upgraded. Collations are left out: the server imports them from
-- its operating system.
select pg_describe_object(o.classid, o.oid, 0), format('stands in schema %s', o.namespace::regnamespace)
from (
  select 'pg_catalog.pg_proc'::regclass as classid, p.oid, p.pronamespace as namespace from pg_catalog.pg_proc as p
  union all
  select 'pg_catalog.pg_class'::regclass, c.oid, c.relnamespace from pg_catalog.pg_class as c
  union all
  select 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace from pg_catalog.pg_type as t
  union all
  select 'pg_catalog.pg_operator'::regclass, o.oid, o.oprnamespace from pg_catalog.pg_operator as o
  union all
  select 'pg_catalog.pg_opclass'::regclass, o.oid, o.opcnamespace from pg_catalog.pg_opclass as o
) as o
where o.oid >= 16384 and o.namespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace);
