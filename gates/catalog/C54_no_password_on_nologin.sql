-- C54: a NOLOGIN role of ours has no password
-- invariants: INV-007
-- severity: error
-- remedy: alter role ... password null
-- pg_authid is readable by superusers only: run by another, this gate says that it could not look.
select a.rolname::text, 'has a password, so ALTER ROLE ... LOGIN alone would open it'
from pg_catalog.pg_authid as a
where a.rolname ~ '^symphony_' and not a.rolcanlogin and a.rolpassword is not null;
