-- C47: SQL functions have a parsed body (RETURN or BEGIN ATOMIC), not a string
-- invariants: INV-008, INV-009
-- severity: error
-- remedy: write "return ..." or "begin atomic ... end": names are then resolved once, when the function is created
select p.oid::regprocedure::text, 'its body is a string, resolved by its caller''s search_path'
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname = 'sql'
where p.prosqlbody is null;
