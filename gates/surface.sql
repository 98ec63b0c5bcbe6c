-- What a caller of this release relies on: one row for each function a capability may call, each attribute of a type, label
-- of an enum, and column of a view it may read. What the contexts call among themselves is replaced in one transaction.
with capabilities as (
  select r.oid from pg_roles as r where r.rolname ~ '^symphony_' and r.rolname !~ '^symphony_[a-z]+_owner$' and not r.rolcanlogin
),
managed as (
  select n.oid, n.nspname from pg_namespace as n join pg_roles as o on o.oid = n.nspowner where o.rolname ~ '^symphony_[a-z]+_owner$'
)
select 'function ' || m.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' as object,
  '(' || pg_get_function_arguments(p.oid) || ') returns ' || pg_get_function_result(p.oid) as shape
from pg_proc as p
join managed as m on m.oid = p.pronamespace
where exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
  where a.privilege_type = 'EXECUTE' and (a.grantee = 0 or a.grantee in (select c.oid from capabilities as c)))
union all
select 'view column ' || m.nspname || '.' || c.relname || '.' || t.attname, format_type(t.atttypid, t.atttypmod)
from pg_class as c
join managed as m on m.oid = c.relnamespace
join pg_attribute as t on t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped
where c.relkind = 'v' and exists (select from aclexplode(c.relacl) as a where a.grantee in (select x.oid from capabilities as x))
union all
-- A value of a composite type is a row in the order of its attributes: one more is another type.
select 'type ' || m.nspname || '.' || c.relname,
  (select string_agg(t.attname || ' ' || format_type(t.atttypid, t.atttypmod), ', ' order by t.attnum)
    from pg_attribute as t where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped)
from pg_class as c
join managed as m on m.oid = c.relnamespace
where c.relkind = 'c' and exists (select from pg_proc as p
  where array[c.reltype, (select y.typarray from pg_type as y where y.oid = c.reltype)] && (p.proargtypes::oid[] || p.proallargtypes)
    and exists (select from aclexplode(p.proacl) as a where a.grantee in (select x.oid from capabilities as x)))
union all
select 'label ' || m.nspname || '.' || t.typname || ' ' || quote_literal(e.enumlabel), 'enum'
from pg_enum as e
join pg_type as t on t.oid = e.enumtypid
join managed as m on m.oid = t.typnamespace
order by 1
