-- C59: no view reads outbox.instruction_parties, and nobody but its owner may
-- invariants: INV-LEAK-001, INV-EVID-001
-- severity: error
-- remedy: take it out of the view: auditors see ids, codes and hashes; names and accounts stand in one erasable table
-- Directly, through other views, or by one of its leaves. A view that calls a function of ours is refused too: what a function
-- reads cannot be seen in the catalog.
with recursive personal(oid) as (
  select t.relid::oid from pg_partition_tree(to_regclass('outbox.instruction_parties')) as t
), reads(reader, read) as (
  select w.ev_class, d.refobjid
  from pg_catalog.pg_rewrite as w
  join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
  where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> w.ev_class
), reaches(reader, read) as (
  select r.reader, r.read from reads as r
  union
  select x.reader, r.read from reaches as x join reads as r on r.reader = x.read
)
select x.reader::regclass::text, format('reads %s', x.read::regclass)
from reaches as x
where x.read in (select p.oid from personal as p)
union all
select c.oid::regclass::text, format('calls %s', f.oid::regprocedure)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_rewrite as w on w.ev_class = c.oid
join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
  and d.refclassid = 'pg_catalog.pg_proc'::regclass
join pg_catalog.pg_proc as f on f.oid = d.refobjid
join pg_catalog.pg_namespace as m on m.oid = f.pronamespace and pg_get_userbyid(m.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relkind in ('v', 'm')
union all
select c.oid::regclass::text, format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_class as c
join personal as p on p.oid = c.oid
cross join lateral aclexplode(c.relacl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where x.grantee <> c.relowner
union all
select 'outbox.instruction_parties', 'is missing'
where to_regclass('outbox.instruction_parties') is null;
