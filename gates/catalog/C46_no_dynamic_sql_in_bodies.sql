-- C46: no body holds EXECUTE, DDL, transaction control or a function that runs text as SQL
-- invariants: INV-002, INV-006, INV-009
-- severity: error
-- remedy: write the statement out; the one place for dynamic SQL is core.create_month_partition
-- Coarse on purpose: words, after comments, literals and quoted names that are no words are taken out. The file gates read the
-- syntax tree. What begins a text in a way that is not taken out (block comments, dollar quotes, E'') is a finding: words behind
-- it would be hidden.
-- Exception: EXECUTE in core.create_month_partition with the body of this MD5, which makes partitions and is SECURITY INVOKER, so
-- it can do no more than the context whose table it is. TRUNCATE in ingress.retire_seen with the body of this MD5, which empties slots
-- of the replay ring, each written out.
select distinct b.name, format('holds %s', w.found)
from (
  select p.oid::regprocedure::text as name, regexp_replace(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
    '''([^'']|'''')*''|("\w*")|"([^"]|"")*"|--[^\n]*', '\2''''', 'g') as body,
    not p.prosecdef and md5(p.prosrc) = '605535140c5871451fbb339e637604d4' as known,
    md5(p.prosrc) = 'a4ed764bca76288b90b256b9a666c99e' as empties
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
) as b
cross join lateral (
  select upper(m[1]) from regexp_matches(b.body, '\m(execute|create|alter|drop|grant|revoke|truncate|copy|vacuum|analyze|cluster|reindex|refresh|listen|load|import|reassign|commit|rollback|savepoint|query_to_xml\w*|cursor_to_xml\w*|table_to_xml\w*|schema_to_xml\w*|database_to_xml\w*|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby|xpath_table|set_config|pg_read_file|pg_read_binary_file|pg_ls_dir|lo_\w+|lowrite|loread|nextval|currval|setval|lastval|pg_advisory\w*|pg_try_advisory\w*|pg_terminate_backend|pg_cancel_backend|pg_reload_conf)\M', 'gi') as m
  union all
  select 'what would hide words: ' || upper(m[1]) from regexp_matches(b.body, '(\me''''|/\*|\$\w*\$)', 'gi') as m
) as w(found)
where not (b.name = 'core.create_month_partition(text,text,date)' and b.known and w.found = 'EXECUTE')
  and not (b.name = 'ingress.retire_seen()' and b.empties and w.found = 'TRUNCATE');
