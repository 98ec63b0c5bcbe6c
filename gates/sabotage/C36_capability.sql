-- expects: symphony_ingest in every database
alter role symphony_ingest set statement_timeout = 0;
