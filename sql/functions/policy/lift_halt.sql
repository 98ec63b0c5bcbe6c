create or replace function policy.lift_halt(p_halt_id uuid, p_operator text, p_reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_halt policy.halts_in_force;
begin
  if coalesce(p_operator, '') = '' or coalesce(p_reason, '') = '' then
    perform core.raise_error('SV202', jsonb_build_object('halt_id', p_halt_id));
  end if;
  delete from policy.halts_in_force as h where h.halt_id = p_halt_id returning h.* into v_halt;
  if not found then
    perform core.raise_error('SN202', jsonb_build_object('halt_id', p_halt_id));
  end if;
  insert into policy.halts (halt_id, action, scope, rail, participant_id, direction, operator, reason, recorded_at, commitment)
  values (p_halt_id, 'LIFT', v_halt.scope, v_halt.rail, v_halt.participant_id, v_halt.direction, p_operator, p_reason, v_now,
    core.commitment(array['policy.halts', p_halt_id::text, 'LIFT', v_halt.scope::text, v_halt.rail, v_halt.participant_id,
      v_halt.direction::text, p_operator, p_reason, core.epoch_us(v_now)]));
end
$$;
alter function policy.lift_halt(uuid, text, text) owner to symphony_policy_owner;
revoke all on function policy.lift_halt(uuid, text, text) from public;
comment on function policy.lift_halt(uuid, text, text) is
$$Lifts a halt that is in force; queued items flow again.
Callers: symphony_operator. Writes: halts, halts_in_force. Locks: the halt's row. Raises: SV202 incomplete, 23514 over-long texts, SN202 not in force. Idempotent: no.$$;
