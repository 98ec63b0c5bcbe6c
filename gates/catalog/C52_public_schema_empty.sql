-- C52: schema public holds nothing
-- invariants: INV-004
-- severity: error
-- remedy: drop it, or give it a context
select pg_describe_object(d.classid, d.objid, d.objsubid), 'stands in schema public'
from pg_catalog.pg_depend as d
where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = to_regnamespace('public')
  and d.classid <> 'pg_catalog.pg_default_acl'::regclass;
