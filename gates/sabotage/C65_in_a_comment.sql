-- expects: policy.get_active()
do $$
begin
  execute replace(pg_get_functiondef('policy.get_active'::regproc), 'where p.status = ''ACTIVE''', 'where /* where p.status = ''ACTIVE'' */ p.status <> ''DRAFT''');
end
$$;
