-- Every object that "enforced_by" of gates/invariants.yml may name, as it names it. Leaves are left out.
select case p.prokind when 'f' then 'function ' else 'procedure ' end || n.nspname || '.' || p.proname
from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspowner::regrole::text ~ '^symphony_[a-z]+_owner$'
union
select case c.relkind when 'v' then 'view ' when 'i' then 'index ' when 'I' then 'index ' else 'table ' end || n.nspname || '.' || c.relname
from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspowner::regrole::text ~ '^symphony_[a-z]+_owner$' and c.relkind in ('r', 'p', 'v', 'i', 'I') and not c.relispartition
union
select 'constraint ' || n.nspname || '.' || c.relname || '.' || k.conname
from pg_catalog.pg_constraint as k join pg_catalog.pg_class as c on c.oid = k.conrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspowner::regrole::text ~ '^symphony_[a-z]+_owner$' and k.convalidated and k.conenforced
union
select 'trigger ' || n.nspname || '.' || c.relname || '.' || t.tgname
from pg_catalog.pg_trigger as t join pg_catalog.pg_class as c on c.oid = t.tgrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspowner::regrole::text ~ '^symphony_[a-z]+_owner$' and t.tgenabled = 'A' and not t.tgisinternal
union
select 'not_null ' || n.nspname || '.' || c.relname || '.' || a.attname
from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspowner::regrole::text ~ '^symphony_[a-z]+_owner$' and a.attnotnull and a.attnum > 0 and not a.attisdropped
union
select 'role ' || r.rolname from pg_catalog.pg_roles as r where r.rolname like 'symphony\_%' and not r.rolcanlogin
