-- expects: outbox.ix_pending_due
-- What an interrupted CREATE INDEX CONCURRENTLY leaves behind.
set local allow_system_table_mods = on;
update pg_catalog.pg_index set indisvalid = false where indexrelid = 'outbox.ix_pending_due'::regclass;
