-- expects: evidence.case_decisions
do $$
begin
  execute format('alter table evidence.case_decisions disable trigger %I',
    (select min(t.tgname) from pg_catalog.pg_trigger as t where t.tgrelid = 'evidence.case_decisions'::regclass and t.tgisinternal));
end
$$;
