-- C07: functions of ours are written in SQL or PL/pgSQL
-- invariants: INV-009
-- severity: error
-- remedy: write it in PL/pgSQL: other bodies cannot be reviewed by the other gates
select p.oid::regprocedure::text, format('is written in %s', l.lanname)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_language as l on l.oid = p.prolang
where l.lanname not in ('sql', 'plpgsql');
