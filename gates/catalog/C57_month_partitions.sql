-- C57: core.list_month_partitioned and the catalog agree on the monthly tables, their keys and the bounds of their leaves
-- invariants: INV-004, INV-014
-- severity: error
-- remedy: register the table by a migration; leaves come from ops.ensure_partitions only
-- No default partition: rows in it would block attaching the month they belong to, and nothing would say so.
-- ingress.seen_jti is no monthly table but a ring of eight slots, made by its migration.
-- A leaf <table>_YYYYMM holds the UUIDv7 keys (RFC 9562) of that month in UTC.
with registered as (
  select to_regclass(m.schema_name || '.' || m.table_name)::oid as oid, m.*
  from core.list_month_partitioned() as m
), roots as (
  select c.oid, t.partstrat, t.partdefid,
    (select string_agg(a.attname, ', ' order by k.n) from unnest(t.partattrs) with ordinality as k(attnum, n)
      join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum) as key
  from pg_catalog.pg_partitioned_table as t
  join pg_catalog.pg_class as c on c.oid = t.partrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
), leaves as (
  select i.inhparent as root, c.oid, c.relname, pg_get_expr(c.relpartbound, c.oid) as bounds, r.relname as root_name
  from pg_catalog.pg_inherits as i
  join pg_catalog.pg_class as c on c.oid = i.inhrelid
  join pg_catalog.pg_class as r on r.oid = i.inhparent
  join registered as m on m.oid = i.inhparent
)
select m.schema_name || '.' || m.table_name, format('is registered with key %s, but the catalog says: %s', m.key_column,
  coalesce('key ' || r.key || ', strategy ' || r.partstrat::text, 'not partitioned'))
from registered as m
left join roots as r on r.oid = m.oid
where (r.partstrat = 'r' and r.key = m.key_column) is not true
union all
select r.oid::regclass::text, 'is partitioned by range and not registered, so nobody makes its partitions'
from roots as r
where r.partstrat <> 'h' and r.oid is distinct from to_regclass('ingress.seen_jti') and r.oid not in (select m.oid from registered as m where m.oid is not null)
union all
select r.oid::regclass::text, format('has the default partition %s', r.partdefid::regclass) from roots as r where r.partdefid <> 0
union all
select m.schema_name || '.' || m.table_name, format('append_only is %s, its TRUNCATE trigger says otherwise', m.append_only)
from registered as m
where m.append_only <> exists (
  select from pg_catalog.pg_trigger as t where t.tgrelid = m.oid and t.tgtype & 35 = 34 and not t.tgisinternal)
union all
select l.oid::regclass::text, format('%s is not what its name says', l.bounds)
from leaves as l
left join lateral (
  select format('FOR VALUES FROM (''%s'') TO (''%s'')', u.ids[1], u.ids[2]) as bounds
  from (
    select array_agg((lpad(to_hex((extract(epoch from d.month at time zone 'UTC') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid order by d.month) as ids
    from (select generate_series(to_timestamp(right(l.relname, 6), 'YYYYMM')::date::timestamp,
      to_timestamp(right(l.relname, 6), 'YYYYMM')::date + interval '1 month', interval '1 month') as month) as d
    where l.relname ~ '_[0-9]{4}(0[1-9]|1[0-2])$' and left(l.relname, -7) = l.root_name
  ) as u
) as w on true
where w.bounds is distinct from l.bounds
union all
select r.oid::regclass::text, format('%s of its hash partitions are missing', x.missing)
from roots as r
cross join lateral (
  select max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'modulus (\d+)'))[1]::integer) - count(*) as missing
  from pg_catalog.pg_inherits as i join pg_catalog.pg_class as c on c.oid = i.inhrelid where i.inhparent = r.oid) as x
where r.partstrat = 'h' and x.missing is distinct from 0;
