create or replace function policy.list_halts() returns setof policy.halts_in_force
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select h.* from policy.halts_in_force as h order by h.halt_id;
end
$$;
alter function policy.list_halts() owner to symphony_policy_owner;
revoke all on function policy.list_halts() from public;
comment on function policy.list_halts() is
$$The halts in force, oldest first.
Callers: symphony_operator, outbox.open_claim_gate. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
