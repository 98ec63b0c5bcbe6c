-- C71: what a capability may execute is a definer function, or a pure one
-- invariants: INV-010, INV-006
-- severity: error
-- remedy: SECURITY DEFINER in the function's file, or no grant: an invoker's statements need privileges no capability has
-- Pure: IMMUTABLE, and so without access to any table. core.create_month_partition is for owner roles only.
select p.oid::regprocedure::text, format('is no definer function, and %s may execute it', r.rolname)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_roles as r on r.rolname ~ '^symphony_' and r.rolname !~ '_owner$' and not r.rolsuper
  and has_function_privilege(r.oid, p.oid, 'EXECUTE')
where not p.prosecdef and p.provolatile <> 'i';
