-- expects: symphony_ingest
grant create on schema public to symphony_ingest;
