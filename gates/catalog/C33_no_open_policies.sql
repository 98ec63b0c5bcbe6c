-- C33: no permissive row policy is for PUBLIC or lets every row through
-- invariants: INV-010
-- severity: error
-- remedy: name the roles and the condition of the policy
select c.oid::regclass::text, format('policy %s is permissive and %s', p.polname,
  case when 0 = any (p.polroles) then 'for PUBLIC' else 'true for every row' end)
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where p.polpermissive and (0 = any (p.polroles)
  or pg_get_expr(p.polqual, p.polrelid) = 'true' or pg_get_expr(p.polwithcheck, p.polrelid) = 'true');
