-- The functions of the managed schemas, with what a CREATE FUNCTION says of them (gates/functions.py).
select n.nspname || '.' || p.proname, p.oid::regprocedure::text, l.lanname, case when p.prosqlbody is null then p.prosrc end,
  case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
  case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
  p.prosecdef, p.proisstrict, p.proleakproof, coalesce(p.proconfig, '{}'), coalesce(p.proargnames, '{}'), p.prokind = 'p'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_language as l on l.oid = p.prolang;
