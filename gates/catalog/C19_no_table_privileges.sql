-- C19: nobody but its owner writes a table; auditors and operators read views, two owners read ledgers
-- invariants: INV-010, INV-014
-- severity: error
-- remedy: revoke it; an effect on another context's table is an EXECUTE grant on its function
-- Covers INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER and MAINTAIN: only SELECT is ever granted, and only to those
-- DESIGN section 7 names. Which of them reads what exactly is C70.
select c.oid::regclass::text, format('%s holds %s', coalesce(r.rolname, 'PUBLIC'), x.privilege_type)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
cross join lateral aclexplode(c.relacl) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where x.grantee <> c.relowner
  and not (x.privilege_type = 'SELECT' and r.rolname is not null and (
    r.rolname in ('symphony_evidence_owner', 'symphony_ops_owner')
    or (c.relkind = 'v' and n.nspname = 'evidence' and r.rolname in ('symphony_auditor', 'symphony_operator'))));
