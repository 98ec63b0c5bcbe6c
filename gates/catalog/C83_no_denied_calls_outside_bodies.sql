-- C83: no view, default, constraint, index, trigger, policy or parsed body calls a function that runs a text or reaches out
-- invariants: INV-006, INV-009
-- severity: error
-- remedy: write the query out; these run for whoever reads, writes or calls, with the owner's privileges where it is a view's
-- By function OID in the stored trees: pg_depend knows nothing of PostgreSQL's own functions. The pattern is that of
-- gates/bodies_rules.py (a test compares). What is written in bodies is looked at by B03 and F03.
with denied as (
  select p.oid, p.oid::regprocedure::text as name
  from pg_catalog.pg_proc as p
  where p.proname ~ '^(?:(query|cursor|table|schema|database)_to_xml(schema|_and_xmlschema)?|ts_stat|dblink\w*|crosstab\w*|connectby|xpath_table|set_config|pg_read_(binary_)?file|pg_ls_\w+|pg_stat_file|pg_file_\w+|pg_logfile_\w+|lo_\w+|lowrite|loread|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|pg_create_restore_point|pg_backup_\w+|pg_logical_\w+|pg_\w*replication_\w+|pg_export_snapshot|pg_import_system_collations)$'
    or (p.proname = 'ts_rewrite' and p.pronargs = 2)
), trees(object, namespace, tree) as (
  select 'rule or view ' || r.ev_class::regclass, c.relnamespace, r.ev_action::text || r.ev_qual::text
  from pg_catalog.pg_rewrite as r join pg_catalog.pg_class as c on c.oid = r.ev_class
  union all
  select format('default of %s.%s', d.adrelid::regclass, a.attname), c.relnamespace, d.adbin::text
  from pg_catalog.pg_attrdef as d join pg_catalog.pg_class as c on c.oid = d.adrelid
  join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
  union all
  select 'constraint ' || k.conname, k.connamespace, k.conbin::text
  from pg_catalog.pg_constraint as k
  union all
  select format('trigger %s of %s', t.tgname, t.tgrelid::regclass), c.relnamespace, t.tgqual::text
  from pg_catalog.pg_trigger as t join pg_catalog.pg_class as c on c.oid = t.tgrelid
  union all
  select 'index ' || i.indexrelid::regclass, c.relnamespace, concat(i.indexprs, i.indpred)
  from pg_catalog.pg_index as i join pg_catalog.pg_class as c on c.oid = i.indexrelid
  union all
  select format('policy %s of %s', l.polname, l.polrelid::regclass), c.relnamespace, concat(l.polqual, l.polwithcheck)
  from pg_catalog.pg_policy as l join pg_catalog.pg_class as c on c.oid = l.polrelid
  union all
  select 'partition key of ' || k.partrelid::regclass, c.relnamespace, k.partexprs::text
  from pg_catalog.pg_partitioned_table as k join pg_catalog.pg_class as c on c.oid = k.partrelid
  union all
  select 'statistics ' || s.stxname, s.stxnamespace, s.stxexprs::text
  from pg_catalog.pg_statistic_ext as s
  union all
  select 'default of domain ' || y.oid::regtype, y.typnamespace, y.typdefaultbin::text
  from pg_catalog.pg_type as y
  union all
  select 'function ' || p.oid::regprocedure, p.pronamespace, concat(p.proargdefaults, p.prosqlbody)
  from pg_catalog.pg_proc as p
)
select distinct t.object, 'calls ' || d.name
from trees as t
join pg_catalog.pg_namespace as n on n.oid = t.namespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral regexp_matches(t.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') as f(id)
join denied as d on d.oid = f.id[1]::oid;
