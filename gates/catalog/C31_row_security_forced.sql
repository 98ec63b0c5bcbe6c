-- C31: row security, where it is used, is forced
-- invariants: INV-010
-- severity: error
-- remedy: alter table ... force row level security: definer functions run as the owner, who passes it by otherwise
-- Symphony separates by EXECUTE grants and uses no row security today; this keeps a later use honest.
select c.oid::regclass::text, 'has row security that its owner passes by'
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relrowsecurity and not c.relforcerowsecurity;
