-- C52: schema public holds nothing, and tap nothing but pgTAP
-- invariants: INV-004
-- severity: error
-- remedy: drop it, or give it a context
select pg_describe_object(d.classid, d.objid, d.objsubid), format('stands in schema %s', d.refobjid::regnamespace)
from pg_catalog.pg_depend as d
where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.classid <> 'pg_catalog.pg_default_acl'::regclass
  and (d.refobjid = to_regnamespace('public') or (d.refobjid = to_regnamespace('tap') and not exists (
    select from pg_catalog.pg_extension as e
    where e.extname = 'pgtap' and ((d.classid = 'pg_catalog.pg_extension'::regclass and d.objid = e.oid) or exists (
      select from pg_catalog.pg_depend as m
      where m.classid = d.classid and m.objid = d.objid and m.refclassid = 'pg_catalog.pg_extension'::regclass
        and m.refobjid = e.oid and m.deptype = 'e')))));
