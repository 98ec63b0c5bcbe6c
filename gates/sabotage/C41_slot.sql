-- expects: slot planted
-- outside a transaction: a slot is not rolled back; this one goes with its session. It needs wal_level = logical.
select pg_catalog.pg_create_logical_replication_slot('planted', 'pgoutput', true);
