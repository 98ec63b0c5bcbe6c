create or replace function policy.halt_reason(
  p_halts policy.halts_in_force[], p_rail text, p_sender text, p_receiver text) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case h.scope
      when 'GLOBAL' then 'HALTED_GLOBAL'
      when 'RAIL' then 'HALTED_RAIL'
      else case when h.participant_id = p_sender and h.direction <> 'RECEIVE' then 'HALTED_SENDER' else 'HALTED_RECEIVER' end
    end
    from unnest(p_halts) as h
    where h.scope = 'GLOBAL'
      or (h.scope = 'RAIL' and h.rail = p_rail)
      or (h.scope = 'PARTICIPANT' and (
        (h.participant_id = p_sender and h.direction in ('SEND', 'BOTH'))
        or (h.participant_id = p_receiver and h.direction in ('RECEIVE', 'BOTH'))))
    order by h.scope, h.participant_id is distinct from p_sender
    limit 1);
end
$$;
alter function policy.halt_reason(policy.halts_in_force[], text, text, text) owner to symphony_policy_owner;
revoke all on function policy.halt_reason(policy.halts_in_force[], text, text, text) from public;
comment on function policy.halt_reason(policy.halts_in_force[], text, text, text) is
$$Which halt stops a payment, widest scope first: HALTED_GLOBAL, HALTED_RAIL, HALTED_SENDER, HALTED_RECEIVER; null when none does.
Callers: policy.static_reasons. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
