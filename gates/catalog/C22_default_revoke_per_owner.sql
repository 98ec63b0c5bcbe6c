-- C22: each owner role's new functions are closed to PUBLIC by a global default
-- invariants: INV-005
-- severity: error
-- remedy: alter default privileges for role ... revoke execute on functions from public, without IN SCHEMA
-- The IN SCHEMA form can only add to what PUBLIC has by default, so it revokes nothing.
select r.rolname::text, 'has no global default that takes EXECUTE on functions from PUBLIC'
from pg_catalog.pg_roles as r
where r.rolname ~ '^symphony_[a-z]+_owner$'
  and not exists (
    select from pg_catalog.pg_default_acl as d
    where d.defaclrole = r.oid and d.defaclnamespace = 0 and d.defaclobjtype = 'f'
      and not exists (select from aclexplode(d.defaclacl) as x where x.grantee = 0));
