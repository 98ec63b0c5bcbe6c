-- expects: policy.get_active()
do $$
begin
  execute replace(pg_get_functiondef('policy.get_active'::regproc), 'where p.status = ''ACTIVE''', '-- where p.status = ''ACTIVE''
  where p.status <> ''DRAFT''');
end
$$;
