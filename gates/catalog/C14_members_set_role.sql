-- C14: members of a role of ours use it by SET ROLE and inherit nothing
-- invariants: INV-007
-- severity: error
-- remedy: grant the capability again WITH INHERIT FALSE, SET TRUE (symphony logins create shows the form)
-- openbao_issuer may hand them on and not use them: ADMIN, neither INHERIT nor SET.
select m.member::regrole::text, format('is a member of %s with INHERIT %s, SET %s', m.roleid::regrole, m.inherit_option, m.set_option)
from pg_catalog.pg_auth_members as m
join pg_catalog.pg_roles as r on r.oid = m.roleid and r.rolname ~ '^symphony_'
where (m.inherit_option or not m.set_option)
  and not (m.member::regrole::text = 'openbao_issuer' and m.admin_option and not m.inherit_option and not m.set_option);
