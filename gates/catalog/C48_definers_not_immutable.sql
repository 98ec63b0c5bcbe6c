-- C48: no definer function is IMMUTABLE
-- invariants: INV-008
-- severity: error
-- remedy: declare it STABLE or VOLATILE: an immutable call is folded into a plan, with the rights of who planned it
select p.oid::regprocedure::text, 'is SECURITY DEFINER and IMMUTABLE'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where p.prosecdef and p.provolatile = 'i';
