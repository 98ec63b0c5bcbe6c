-- C51: our schemas hold tables, views, types and functions; no operator, cast, aggregate, collation or text search object
-- invariants: INV-004, INV-008
-- severity: error
-- remedy: drop it: it changes what an expression means where nobody looks
select pg_describe_object(o.classid, o.oid, 0), 'exists'
from (
  select 'pg_operator'::regclass as classid, o.oid, o.oprnamespace as namespace from pg_catalog.pg_operator as o
  union all
  select 'pg_opclass'::regclass, o.oid, o.opcnamespace from pg_catalog.pg_opclass as o
  union all
  select 'pg_opfamily'::regclass, o.oid, o.opfnamespace from pg_catalog.pg_opfamily as o
  union all
  select 'pg_collation'::regclass, o.oid, o.collnamespace from pg_catalog.pg_collation as o
  union all
  select 'pg_conversion'::regclass, o.oid, o.connamespace from pg_catalog.pg_conversion as o
  union all
  select 'pg_ts_config'::regclass, o.oid, o.cfgnamespace from pg_catalog.pg_ts_config as o
  union all
  select 'pg_ts_dict'::regclass, o.oid, o.dictnamespace from pg_catalog.pg_ts_dict as o
  union all
  select 'pg_proc'::regclass, o.oid, o.pronamespace from pg_catalog.pg_proc as o where o.prokind in ('a', 'w')
) as o
join pg_catalog.pg_namespace as n on n.oid = o.namespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
union all
-- Any cast that PostgreSQL did not bring: one between its own types changes our expressions too. Its own oids end at 16383.
select format('cast from %s to %s', k.castsource::regtype, k.casttarget::regtype), 'exists'
from pg_catalog.pg_cast as k
where k.oid >= 16384;
