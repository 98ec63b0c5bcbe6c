-- One login, member of one capability (CAPABILITY is replaced by its name). Statements are parted by empty lines.
-- The issuer inherits the login's privileges, which are none: that lets it end the login's sessions, and nobody else's.
set local createrole_self_grant = 'inherit'

create role "{{name}}" with login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls
  password '{{password}}' valid until '{{expiration}}'

grant CAPABILITY to "{{name}}" with inherit false, set true, admin false

alter role "{{name}}" set role to CAPABILITY
