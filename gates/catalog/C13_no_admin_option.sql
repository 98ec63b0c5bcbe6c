-- C13: nobody but a superuser may hand out a role of ours
-- invariants: INV-007
-- severity: error
-- remedy: revoke admin option for the role from its member
-- openbao_issuer hands them to the short-lived logins that it makes (symphony bao bootstrap).
select m.member::regrole::text, format('holds the ADMIN option on %s', m.roleid::regrole)
from pg_catalog.pg_auth_members as m
join pg_catalog.pg_roles as r on r.oid = m.roleid and r.rolname ~ '^symphony_'
join pg_catalog.pg_roles as u on u.oid = m.member and not u.rolsuper
where m.admin_option and u.rolname <> 'openbao_issuer';
