-- C81: the flags that switch enforcement on agree with what there is to enforce
-- invariants: INV-004, INV-014
-- severity: error
-- remedy: somebody wrote to pg_class or pg_attribute: set the flag right, find out who, and look at the rows written since
-- PostgreSQL asks these flags before it looks for triggers, indexes, rules, checks and defaults. A flag that is on without need
-- is no harm: the server clears it late.
select c.oid::regclass::text, w.flaw
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral (values
  ('has triggers that never fire: relhastriggers is false',
    not c.relhastriggers and exists (select from pg_catalog.pg_trigger as t where t.tgrelid = c.oid)),
  ('has indexes that are not kept: relhasindex is false',
    not c.relhasindex and exists (select from pg_catalog.pg_index as i where i.indrelid = c.oid)),
  ('has rules that are not applied: relhasrules is false',
    not c.relhasrules and exists (select from pg_catalog.pg_rewrite as r where r.ev_class = c.oid)),
  (format('checks %s of its CHECK constraints', c.relchecks),
    c.relchecks <> (select count(*) from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'c'))
) as w(flaw, found)
where w.found
union all
select a.attrelid::regclass || '.' || a.attname, w.flaw
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral (values
  ('has a default that is not applied, or none where one is expected',
    a.atthasdef <> exists (select from pg_catalog.pg_attrdef as d where d.adrelid = a.attrelid and d.adnum = a.attnum)),
  ('takes null: attnotnull is false beside a NOT NULL constraint',
    not a.attnotnull and exists (select from pg_catalog.pg_constraint as k
      where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum]))
) as w(flaw, found)
where a.attnum > 0 and not a.attisdropped and w.found;
