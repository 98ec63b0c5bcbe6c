-- C74: nothing is numbered by a sequence or an identity column
-- invariants: INV-011
-- severity: error
-- remedy: use uuidv7(), or a counter of the participant: a serial has gaps and means nothing in another cell (DESIGN section 13)
select c.oid::regclass::text, 'is a sequence'
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relkind = 'S'
union all
select c.oid::regclass || '.' || a.attname, 'is an identity column'
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where a.attidentity <> '';
