-- C75: amounts are bigint minor units, times are timestamptz, and no column is inexact
-- invariants: INV-EVID-001, INV-LIMIT-001
-- severity: error
-- remedy: amount_minor bigint with its currency; *_at timestamptz; text instead of varchar and char
select c.oid::regclass || '.' || a.attname, format('is %s', format_type(a.atttypid, a.atttypmod))
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'c', 'v')
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_type as t on t.oid = a.atttypid
where a.attnum > 0 and not a.attisdropped
  and (coalesce(nullif(t.typelem, 0), t.oid)::regtype in ('real', 'double precision', 'money', 'timestamp without time zone',
      'character varying', 'character')
    or (a.attname ~ '(^|_)(amount|value)(_max)?_minor$' and a.atttypid <> 'bigint'::regtype)
    or (a.attname ~ '_at$' and a.atttypid <> 'timestamptz'::regtype));
