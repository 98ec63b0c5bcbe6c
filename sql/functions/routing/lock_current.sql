create or replace function routing.lock_current() returns routing.current
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_current routing.current;
begin
  -- Who waited here must then see what the other one did.
  perform core.require_session();
  select c.* into strict v_current from routing.current as c for no key update;
  return v_current;
end
$$;
alter function routing.lock_current() owner to symphony_routing_owner;
revoke all on function routing.lock_current() from public;
comment on function routing.lock_current() is
$$Takes the row of routing.current until the transaction ends: one decision at a time.
Callers: evaluate, begin_canary, abandon_canary, promote, override, lift_override, publish_rules. Writes: nothing. Locks: the row of current. Raises: SV003, SX004. Idempotent: yes.$$;
