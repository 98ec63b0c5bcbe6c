-- expects: lo_from_bytea(oid,bytea)
grant execute on function pg_catalog.lo_from_bytea(oid, bytea) to public;
