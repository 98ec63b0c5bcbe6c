create or replace function outbox.enqueue_payment_outbox(
  p_participant_id text, p_attestation_id uuid, p_instruction_id text, p_idempotency_key text, p_rail text, p_currency text,
  p_amount_minor bigint, p_parties text, p_received_at timestamptz, p_creditor_participant_id text default null,
  p_end_to_end_id text default null, p_purpose text default null, p_uetr uuid default null)
returns table (decision text, reason_code text, outbox_id uuid, sequence_id bigint, state text, receipt_hash bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_policy record;
  v_intent outbox.intent;
  v_known outbox.recorded;
  v_reason text;
begin
  perform core.require_session();
  perform core.hold_cell();
  v_intent := row(1, p_participant_id, ingress.find_accepted(p_participant_id => p_participant_id,
      p_attestation_id => p_attestation_id, p_instruction_id => p_instruction_id), p_attestation_id, p_instruction_id, p_idempotency_key, p_rail, p_currency,
    p_amount_minor, p_creditor_participant_id, p_end_to_end_id, p_purpose, p_uetr, false, p_parties,
    outbox.payload_sha256(p_participant_id, p_instruction_id, p_rail, p_currency, p_amount_minor, p_creditor_participant_id,
      p_end_to_end_id, p_purpose, p_uetr, false), p_received_at, false)::outbox.intent;
  if v_intent.outbox_id is null then
    perform core.raise_error('SN402', jsonb_build_object('attestation_id', p_attestation_id));
  end if;
  perform outbox.lock_participants(p_participant_ids => policy.known_participants(p_participant_ids => array[p_participant_id]));
  select a.policy_version, a.limit_day into v_policy from policy.get_active() as a;
  if not found then
    perform core.raise_error('SR201');
  end if;
  select f.* into v_known from outbox.find_recorded(p_intents => array[v_intent]) as f;
  if found then
    return query select case when v_known.same_content then 'REPLAY' else 'REJECT' end,
      case when not v_known.same_content then 'IDEMPOTENCY_CONFLICT' end,
      v_known.outbox_id, v_known.sequence_id, v_known.state, v_known.receipt_hash;
    return;
  end if;
  select d.reason_code into v_reason from policy.decide(p_policy_version => v_policy.policy_version,
    p_limit_day => v_policy.limit_day, p_payments => array[row(1, p_participant_id, p_rail, p_currency,
    p_amount_minor, p_creditor_participant_id)::policy.payment]) as d;
  if found then
    return query select 'REJECT', v_reason, null::uuid, null::bigint, null::text, null::bytea;
    return;
  end if;
  return query select 'ACCEPT', null::text, e.outbox_id, e.sequence_id, e.state, e.receipt_hash
  from outbox.enqueue_batch(p_policy_version => v_policy.policy_version, p_limit_day => v_policy.limit_day, p_intents => array[v_intent]) as e;
end
$$;
alter function outbox.enqueue_payment_outbox(text, uuid, text, text, text, text, bigint, text, timestamptz, text, text, text, uuid) owner to symphony_outbox_owner;
revoke all on function outbox.enqueue_payment_outbox(text, uuid, text, text, text, text, bigint, text, timestamptz, text, text, text, uuid) from public;
comment on function outbox.enqueue_payment_outbox(text, uuid, text, text, text, text, bigint, text, timestamptz, text, text, text, uuid) is
$$Records one instruction under its own ACCEPT attestation, which exists already: idempotent and policy-checked like ingress.accept. For services that attest themselves and for the fallback rehearsal.
Callers: symphony_ingest. Writes: as outbox.enqueue_batch; limit_usage. Locks: the participant's sequence row, usage rows, core.cell ROW SHARE. Raises: SN402 no ACCEPT attestation of this instruction, SV003, SX004, SR201 no active policy, SX003, 23514 malformed fields. Idempotent: yes.$$;
