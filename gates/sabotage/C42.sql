-- expects: large object of
select pg_catalog.lo_create(0);
