create or replace function policy.halt(
  p_scope policy.halt_scope, p_rail text, p_participant_id text, p_direction policy.halt_direction,
  p_operator text, p_reason text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_halt_id uuid := uuidv7();
begin
  if p_scope is null or p_direction is null or (p_scope = 'RAIL') <> (p_rail is not null)
    or (p_scope = 'PARTICIPANT') <> (p_participant_id is not null)
    or coalesce(p_operator, '') = '' or coalesce(p_reason, '') = ''
    -- A mistyped kill switch must not look thrown: the subject is one that some policy version knows.
    or (p_scope = 'RAIL' and not exists (select from policy.rails as r where r.rail = p_rail))
    or (p_scope = 'PARTICIPANT' and not exists (select from policy.participants as p where p.participant_id = p_participant_id)) then
    perform core.raise_error('SV202', jsonb_build_object('scope', p_scope, 'rail', p_rail, 'participant_id', p_participant_id));
  end if;
  insert into policy.halts_in_force (halt_id, scope, rail, participant_id, direction)
  values (v_halt_id, p_scope, p_rail, p_participant_id, p_direction)
  on conflict do nothing;
  if not found then
    perform core.raise_error('SC202', jsonb_build_object('scope', p_scope, 'rail', p_rail, 'participant_id', p_participant_id));
  end if;
  insert into policy.halts (halt_id, action, scope, rail, participant_id, direction, operator, reason, recorded_at, commitment)
  values (v_halt_id, 'HALT', p_scope, p_rail, p_participant_id, p_direction, p_operator, p_reason, v_now,
    core.commitment(array['policy.halts', v_halt_id::text, 'HALT', p_scope::text, p_rail, p_participant_id,
      p_direction::text, p_operator, p_reason, core.epoch_us(v_now)]));
  return v_halt_id;
end
$$;
alter function policy.halt(policy.halt_scope, text, text, policy.halt_direction, text, text) owner to symphony_policy_owner;
revoke all on function policy.halt(policy.halt_scope, text, text, policy.halt_direction, text, text) from public;
comment on function policy.halt(policy.halt_scope, text, text, policy.halt_direction, text, text) is
$$Stops everything, a rail, or a participant (SEND, RECEIVE, BOTH). Accepts that start afterwards are refused and evidenced, queued items wait, enquiries go on.
Callers: symphony_operator. Writes: halts, halts_in_force. Locks: none beyond the rows. Raises: SV202 incomplete or an unknown subject, 23514 over-long texts, SC202 already in force. Idempotent: no.$$;
