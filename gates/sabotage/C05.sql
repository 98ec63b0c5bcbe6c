-- expects: policy.get_active()
grant execute on function policy.get_active() to symphony_ingest with grant option;
