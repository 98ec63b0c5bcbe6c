-- C26: no trigger is disabled or waits for replica mode, foreign keys' own triggers included
-- invariants: INV-014
-- severity: error
-- remedy: alter table ... enable [always] trigger; find out who disabled it, and look at the rows written since
-- A foreign key's trigger is named by its constraint, for its own name holds a number that differs between databases.
select c.oid::regclass::text, format('%s of %s', case t.tgenabled when 'D' then 'disabled: trigger' else 'only in replica mode: trigger' end,
  coalesce('constraint ' || k.conname, t.tgname))
from pg_catalog.pg_trigger as t
join pg_catalog.pg_class as c on c.oid = t.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
left join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint
where t.tgenabled in ('D', 'R');
