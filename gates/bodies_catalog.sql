-- The functions and procedures of the managed schemas (those of the context owners), for gates/bodies_catalog.py.
select
  p.oid::regprocedure::text as identity,
  n.nspname || '.' || p.proname as name,
  l.lanname as language,
  p.prosqlbody is not null as has_sql_body,
  o.rolname as owner,
  p.prosecdef as definer,
  l.lanname = 'sql' and not p.prosecdef and p.proconfig is null and not p.proretset as inlined,
  coalesce(
    (select substr(c.setting, length('search_path=') + 1) from unnest(p.proconfig) as c(setting)
      where c.setting like 'search_path=%'), '"$user", public') as search_path,
  format_type(p.prorettype, null) as result_type,
  case
    when p.proargmodes && array['o', 'b', 't']::"char"[] then
      (select array_agg(format_type(a.type, null) order by a.n)
        from unnest(p.proallargtypes, p.proargmodes) with ordinality as a(type, mode, n) where a.mode in ('o', 'b', 't'))
    when t.typtype = 'c' then
      (select array_agg(format_type(a.atttypid, null) order by a.attnum)
        from pg_attribute as a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
    else array[format_type(p.prorettype, null)]
  end as result_columns,
  array(select distinct g.tgrelid::regclass::text from pg_trigger as g
    where g.tgfoid = p.oid and g.tgparentid = 0 order by 1) as trigger_tables,
  encode(sha256(convert_to(pg_get_functiondef(p.oid), 'UTF8')), 'hex') as fingerprint,
  pg_get_functiondef(p.oid) as definition
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
join pg_roles as m on m.oid = n.nspowner and m.rolname ~ '^symphony_[a-z]+_owner$'
join pg_roles as o on o.oid = p.proowner
join pg_language as l on l.oid = p.prolang
join pg_type as t on t.oid = p.prorettype
where p.prokind in ('f', 'p')
order by 1;
