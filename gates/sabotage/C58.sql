-- expects: pg_advisory_lock(bigint)
grant execute on function pg_catalog.pg_advisory_lock(bigint) to public;
