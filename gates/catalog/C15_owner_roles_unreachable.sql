-- C15: no role can become an owner role
-- invariants: INV-010, INV-014
-- severity: error
-- remedy: revoke the owner role from its member; nothing may SET ROLE to it, only its definer functions run as it
-- Append-only is kept against everyone but owners and superusers, so this gate bears the load of INV-014.
select r.rolname::text, format('is a member of %s, directly or not', o.rolname)
from pg_catalog.pg_roles as r
join pg_catalog.pg_roles as o on o.rolname ~ '^symphony_[a-z]+_owner$' and pg_has_role(r.oid, o.oid, 'MEMBER')
where not r.rolsuper and r.oid <> o.oid;
