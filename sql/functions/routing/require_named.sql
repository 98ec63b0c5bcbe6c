create or replace function routing.require_named(p_actor text, p_reason text) returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(p_actor, '') !~ '\S' or length(p_actor) > 100 or coalesce(p_reason, '') !~ '\S' or length(p_reason) > 500 then
    perform core.raise_error('SV701', jsonb_build_object('actor_length', length(p_actor), 'reason_length', length(p_reason)));
  end if;
end
$$;
alter function routing.require_named(text, text) owner to symphony_routing_owner;
revoke all on function routing.require_named(text, text) from public;
comment on function routing.require_named(text, text) is
$$Refuses an act without a name and a reason that say something.
Callers: evaluate, begin_canary, abandon_canary, promote, override, lift_override, publish_rules. Writes: nothing. Locks: none. Raises: SV701. Idempotent: yes.$$;
