-- C56: every leaf has exactly the triggers of its root, and every trigger calls a function of ours
-- invariants: INV-014
-- severity: error
-- remedy: core.create_month_partition makes leaves with their triggers; create what is missing, drop what is not the root's
-- Compared: name, function, timing and events, enabled state, columns, WHEN (pg_get_expr knows no OLD and NEW), arguments. Foreign
-- keys' own triggers are C26.
with tree as (
  select root.oid as root, leaf.relid::oid as leaf
  from pg_catalog.pg_class as root
  join pg_catalog.pg_namespace as n on n.oid = root.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  cross join lateral pg_partition_tree(root.oid) as leaf
  where root.relkind = 'p' and not root.relispartition and leaf.relid <> root.oid
), triggers as (
  select t.tgrelid, t.tgname, t.tgfoid,
    row(t.tgname, t.tgfoid, t.tgtype, t.tgenabled, t.tgattr::text, t.tgargs,
      case when t.tgqual is not null then substring(pg_get_triggerdef(t.oid) from ' WHEN \(.*$') end) as same
  from pg_catalog.pg_trigger as t
  where not t.tgisinternal
)
select e.leaf::regclass::text, format('has no trigger %s like that of %s', t.tgname, e.root::regclass)
from tree as e
join triggers as t on t.tgrelid = e.root
where not exists (select from triggers as l where l.tgrelid = e.leaf and l.same = t.same)
union all
select e.leaf::regclass::text, format('has a trigger %s that %s does not have', l.tgname, e.root::regclass)
from tree as e
join triggers as l on l.tgrelid = e.leaf
where not exists (select from triggers as t where t.tgrelid = e.root and t.same = l.same)
union all
select t.tgrelid::regclass::text, format('trigger %s calls %s', t.tgname, t.tgfoid::regprocedure)
from triggers as t
join pg_catalog.pg_class as c on c.oid = t.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_proc as p on p.oid = t.tgfoid
join pg_catalog.pg_namespace as f on f.oid = p.pronamespace
where pg_get_userbyid(f.nspowner) !~ '^symphony_[a-z]+_owner$';
