-- expects: policy.get_active()
revoke execute on function policy.get_active() from symphony_ingest;
