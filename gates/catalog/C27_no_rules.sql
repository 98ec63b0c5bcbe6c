-- C27: no rewrite rule stands on a relation of ours, beside the views' own
-- invariants: INV-014
-- severity: error
-- remedy: drop rule: it turns a statement into another one before any trigger sees it
select c.oid::regclass::text, format('rule %s', w.rulename)
from pg_catalog.pg_rewrite as w
join pg_catalog.pg_class as c on c.oid = w.ev_class
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where not (c.relkind in ('v', 'm') and w.rulename = '_RETURN' and w.ev_type = '1' and w.is_instead);
