-- C32: row policies and row security go together
-- invariants: INV-010
-- severity: error
-- remedy: enable row level security for the policy, or drop the policy; row security without a policy refuses everything
select c.oid::regclass::text, case when c.relrowsecurity then 'row security without a policy' else 'a policy without row security' end
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relrowsecurity is distinct from exists (select from pg_catalog.pg_policy as p where p.polrelid = c.oid);
