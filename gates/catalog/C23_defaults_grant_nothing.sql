-- C23: no default privilege grants anything to anybody else
-- invariants: INV-005
-- severity: error
-- remedy: alter default privileges for role ... revoke it: what is granted stands in sql/grants.sql
select format('default of %s for %s%s', d.defaclrole::regrole, d.defaclobjtype,
    case when d.defaclnamespace <> 0 then ' in schema ' || d.defaclnamespace::regnamespace else '' end),
  format('grants %s to %s', x.privilege_type, coalesce(pg_get_userbyid(nullif(x.grantee, 0)), 'PUBLIC'))
from pg_catalog.pg_default_acl as d
cross join lateral aclexplode(d.defaclacl) as x
where x.grantee <> d.defaclrole;
