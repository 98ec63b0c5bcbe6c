"""What the lock trace asks after each statement; counts are those of the transaction that runs."""

from __future__ import annotations

TABLES = """
select c.oid, n.nspname || '.' || coalesce(root.relname, c.relname), c.relkind::text
from pg_catalog.pg_class as c
left join pg_catalog.pg_index as i on i.indexrelid = c.oid
left join pg_catalog.pg_class as t on t.reltoastrelid = c.oid
join pg_catalog.pg_class as root on root.oid = coalesce(
  pg_catalog.pg_partition_root(coalesce(i.indrelid, t.oid, c.oid)), i.indrelid, t.oid, c.oid)
join pg_catalog.pg_namespace as n on n.oid = root.relnamespace
join pg_catalog.pg_roles as o on o.oid = n.nspowner and o.rolname ~ '^symphony_[a-z]+_owner$'
where c.relkind in ('r', 'p', 'c', 'i', 'I', 't') and root.relkind in ('r', 'p', 'c')
"""
LOCKS = """
select distinct l.relation, l.mode from pg_catalog.pg_locks as l
where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted
"""
STATE = """
select c.oid, c.relfilenode,
  case when c.relkind in ('r', 't') then pg_catalog.pg_stat_get_xact_numscans(c.oid) else 0 end,
  case when c.relkind in ('r', 't') then pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)
    + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) else 0 end
from pg_catalog.pg_class as c
where c.oid = any (%s)
"""
SETTINGS = "select pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('statement_timeout')"
