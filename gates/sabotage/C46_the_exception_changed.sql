-- expects: core.create_month_partition(text,text,date)
do $$
begin
  execute replace(pg_get_functiondef('core.create_month_partition'::regproc), E'\nbegin\n', E'\nbegin\n  execute p_table;\n');
end
$$;
