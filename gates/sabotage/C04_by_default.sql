-- expects: core.planted()
-- Made by a superuser, who has no default that closes it; its proacl is null.
create function core.planted() returns integer language sql return 1;
