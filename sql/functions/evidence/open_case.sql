create or replace function evidence.open_case(
  p_participant_id text, p_kind text, p_outbox_id uuid, p_facts jsonb, p_next_action text) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_participant_id is null or p_kind is null or p_facts is null or p_next_action is null
    or p_kind in ('OUTCOME_UNCERTAIN', 'RAIL_ECHO_MISMATCH', 'LATE_CONTRADICTION', 'PROXY_UNRESOLVED', 'PROXY_TARGET_CHANGED') then
    perform core.raise_error('SV101', jsonb_build_object('kind', p_kind));
  end if;
  return evidence.open_cases(p_cases => array[
    row(p_participant_id, p_kind, p_outbox_id, p_facts, p_next_action)::evidence.new_case]);
end
$$;
alter function evidence.open_case(text, text, uuid, jsonb, text) owner to symphony_evidence_owner;
revoke all on function evidence.open_case(text, text, uuid, jsonb, text) from public;
comment on function evidence.open_case(text, text, uuid, jsonb, text) is
$$Opens one case by hand; returns 1, or 0 when the instruction has a case of that kind.
Callers: symphony_operator. Writes: cases. Locks: none beyond the row. Raises: SV101 incomplete, or a kind that the machine opens itself; 23514 malformed kind, SV001. Idempotent: yes, per instruction and kind.$$;
