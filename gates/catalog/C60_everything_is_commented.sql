-- C60: every function's comment has its fixed lines, and every table and view says what it is
-- invariants: INV-004
-- severity: error
-- remedy: comment on function: what, Callers, Writes, Locks, Raises, Idempotent; comment on table or view: what it holds
-- A leaf is described by its root.
select p.oid::regprocedure::text, format('its comment has no line «%s»', w.word)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join unnest(array['Callers:', 'Writes:', 'Locks:', 'Raises:', 'Idempotent:']) as w(word)
where coalesce(strpos(obj_description(p.oid, 'pg_proc'), w.word), 0) = 0
union all
select c.oid::regclass::text, 'has no comment'
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and not c.relispartition
  and coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type'), '') = '';
