-- C46: no body holds EXECUTE, DDL, transaction control or a function that runs text as SQL
-- invariants: INV-002, INV-006, INV-009
-- severity: error
-- remedy: write the statement out; the one place for dynamic SQL is core.create_month_partition
-- Coarse on purpose: words, after comments and literals are taken out. The file gates read the syntax tree.
-- Exception: EXECUTE in core.create_month_partition, which makes partitions and is SECURITY INVOKER, so it can do no more than
-- the context whose table it is.
select distinct b.name, format('holds %s', upper(w.found[1]))
from (
  select p.oid::regprocedure::text as name, regexp_replace(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
    '''([^'']|'''')*''|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/', ' ', 'g') as body, p.prosecdef
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
) as b
cross join lateral regexp_matches(b.body, '\m(execute|create|alter|drop|grant|revoke|truncate|copy|vacuum|analyze|cluster|reindex|refresh|listen|load|import|reassign|commit|rollback|savepoint|query_to_xml\w*|cursor_to_xml\w*|table_to_xml\w*|schema_to_xml\w*|database_to_xml\w*|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby|xpath_table|set_config|pg_read_file|pg_read_binary_file|pg_ls_dir|lo_\w+|lowrite|loread|nextval|currval|setval|lastval|pg_advisory\w*|pg_try_advisory\w*|pg_terminate_backend|pg_cancel_backend|pg_reload_conf)\M', 'gi') as w(found)
where not (b.name = 'core.create_month_partition(text,text,date)' and not b.prosecdef and lower(w.found[1]) = 'execute');
