-- C02: a pinned search_path is exactly pg_catalog, pg_temp
-- invariants: INV-008
-- severity: error
-- remedy: spell out "set search_path = pg_catalog, pg_temp" in the function's file and run symphony migrate
-- An empty path and a path without pg_temp both let a temporary table capture a name: pg_temp comes first unless it is listed.
select p.oid::regprocedure::text, format('pins %s', s)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join unnest(p.proconfig) as s
where s like 'search\_path=%' and s <> 'search_path=pg_catalog, pg_temp';
