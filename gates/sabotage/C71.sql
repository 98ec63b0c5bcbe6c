-- expects: core.commitment(text[])
grant execute on function core.commitment(text[]) to symphony_ingest;
