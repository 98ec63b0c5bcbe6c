-- C28: every index is valid, ready and live
-- invariants: INV-DDL-01
-- severity: error
-- remedy: reindex index concurrently, or drop index concurrently and run the migration again
select i.indexrelid::regclass::text, format('on %s: valid %s, ready %s, live %s', i.indrelid::regclass, i.indisvalid, i.indisready, i.indislive)
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where not (i.indisvalid and i.indisready and i.indislive);
