create or replace function routing.get_rules() returns routing.rules
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rules routing.rules;
begin
  select r.* into strict v_rules from routing.rules as r order by r.rules_version desc limit 1;
  return v_rules;
end
$$;
alter function routing.get_rules() owner to symphony_routing_owner;
revoke all on function routing.get_rules() from public;
comment on function routing.get_rules() is
$$The rules in force: the highest version.
Callers: the functions of this context. Writes: nothing. Locks: none. Raises: nothing; the migration brings version 1. Idempotent: yes.$$;
