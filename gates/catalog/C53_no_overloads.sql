-- C53: a function's name is its identity: no overloads
-- invariants: INV-N1-01
-- severity: error
-- remedy: give the new function a new name (expand); drop the old one in a later migration (contract)
-- An added parameter makes a second function; with defaults, calls of the previous release become ambiguous.
select n.nspname || '.' || p.proname, format('%s functions: %s', count(*), string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text collate "C"))
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
group by n.nspname, p.proname
having count(*) > 1;
