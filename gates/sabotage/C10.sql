-- expects: symphony_ingest
alter role symphony_ingest login;
