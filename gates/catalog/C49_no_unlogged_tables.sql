-- C49: every relation is permanent and logged
-- invariants: INV-014
-- severity: error
-- remedy: alter table ... set logged: an unlogged table is empty after a crash
select c.oid::regclass::text, format('its persistence is «%s»', c.relpersistence)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relpersistence <> 'p';
