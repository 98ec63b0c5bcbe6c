-- expects: planted()
create function pg_catalog.planted() returns integer language sql security definer return 1;
