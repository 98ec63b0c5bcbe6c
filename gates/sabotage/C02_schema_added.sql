-- expects: core.now()
-- Also on a SQL function that is no definer.
alter function core.now() set search_path = pg_catalog, core, pg_temp;
