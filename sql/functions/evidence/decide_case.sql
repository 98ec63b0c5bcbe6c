create or replace function evidence.decide_case(
  p_participant_id text, p_case_id uuid, p_decision text, p_maker text, p_checker text, p_reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
begin
  if coalesce(p_maker, '') = '' or coalesce(p_checker, '') = '' or p_maker = p_checker or coalesce(p_reason, '') = '' then
    perform core.raise_error('SA101', jsonb_build_object('case_id', p_case_id));
  end if;
  perform from evidence.cases as c where c.participant_id = p_participant_id and c.case_id = p_case_id;
  if not found then
    perform core.raise_error('SN101', jsonb_build_object('case_id', p_case_id));
  end if;
  insert into evidence.case_decisions (participant_id, case_id, decision, maker, checker, reason, decided_at, commitment)
  values (p_participant_id, p_case_id, p_decision, p_maker, p_checker, p_reason, v_now,
    core.commitment(array['evidence.case_decisions', p_participant_id, p_case_id::text, p_decision, p_maker, p_checker,
      p_reason, core.epoch_us(v_now)]))
  on conflict do nothing;
  if not found then
    perform core.raise_error('SC101', jsonb_build_object('case_id', p_case_id));
  end if;
end
$$;
alter function evidence.decide_case(text, uuid, text, text, text, text) owner to symphony_evidence_owner;
revoke all on function evidence.decide_case(text, uuid, text, text, text, text) from public;
comment on function evidence.decide_case(text, uuid, text, text, text, text) is
$$Records a person's resolution of a case, by a maker and a different checker. Rewrites nothing: a PENDING_MANUAL stays, and a resend is a new instruction.
Callers: symphony_operator. Writes: case_decisions. Locks: none beyond the row. Raises: SA101 one identity or no reason, SN101 unknown case, SC101 already decided, 23514 unknown decision, 23502 none. Idempotent: no.$$;
