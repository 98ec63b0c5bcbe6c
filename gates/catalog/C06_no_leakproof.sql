-- C06: no function of ours is LEAKPROOF
-- invariants: INV-LEAK-001
-- severity: error
-- remedy: leave LEAKPROOF out of the function's file: the views' security_barrier rests on it
select p.oid::regprocedure::text, 'is LEAKPROOF, so it is called on rows that a security barrier hides'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where p.proleakproof;
