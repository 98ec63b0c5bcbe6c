-- expects: function pg_catalog.lo_creat(integer)
grant execute on function pg_catalog.lo_creat(integer) to public;
