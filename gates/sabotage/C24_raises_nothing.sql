-- expects: core.raise_error
do $$
begin
  execute regexp_replace(pg_get_functiondef('core.raise_error'::regproc), '\mbegin\M', 'begin if current_setting(''symphony.repair'', true) = ''on'' then return; end if;');
end
$$;
