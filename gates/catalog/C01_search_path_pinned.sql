-- C01: every definer function and every PL/pgSQL function pins a search_path
-- invariants: INV-008
-- severity: error
-- remedy: spell out "set search_path = pg_catalog, pg_temp" in the function's file and run symphony migrate
select p.oid::regprocedure::text, 'pins no search_path, so its caller decides what its names mean'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_language as l on l.oid = p.prolang
where (p.prosecdef or l.lanname = 'plpgsql')
  and not exists (select from unnest(p.proconfig) as s where s like 'search\_path=%');
