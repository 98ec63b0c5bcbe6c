-- C30: every constraint is validated and enforced
-- invariants: INV-004
-- severity: error
-- remedy: alter table ... validate constraint; a NOT ENFORCED constraint is a comment: enforce it or drop it
select coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text),
  format('constraint %s is %s', k.conname, case when k.conenforced then 'not validated' else 'not enforced' end)
from pg_catalog.pg_constraint as k
join pg_catalog.pg_namespace as n on n.oid = k.connamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where not (k.convalidated and k.conenforced);
