create or replace function outbox.erase_parties(p_participant_id text, p_instruction_id text, p_operator text, p_reason_code text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_now timestamptz := core.now();
  v_outbox_id uuid;
begin
  if coalesce(p_operator, '') = '' or p_reason_code is null or p_reason_code !~ '^[A-Z][A-Z0-9_]+$' or length(p_reason_code) > 64 then
    perform core.raise_error('SV404', jsonb_build_object('instruction_id', p_instruction_id));
  end if;
  select k.outbox_id into v_outbox_id from outbox.idempotency_ledger as k
  where k.participant_id = p_participant_id and k.instruction_id = p_instruction_id;
  if not found then
    perform core.raise_error('SN403', jsonb_build_object('instruction_id', p_instruction_id));
  end if;
  perform from outbox.payment_outbox_attempts as a
  where a.participant_id = p_participant_id and a.outbox_id = v_outbox_id
    and a.state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');
  if not found or evidence.has_open_case(p_participant_id => p_participant_id, p_outbox_id => v_outbox_id) then
    perform core.raise_error('SC401', jsonb_build_object('instruction_id', p_instruction_id));
  end if;
  update outbox.instruction_parties as y set salt = null, parties = null, beneficiary = null, erased_at = v_now
  where y.participant_id = p_participant_id and y.outbox_id = v_outbox_id and y.erased_at is null;
  if not found then
    return false;
  end if;
  perform evidence.record_event(p_kind => 'PARTIES_ERASED', p_actor => p_operator, p_participant_id => p_participant_id,
    p_outbox_id => v_outbox_id, p_facts => jsonb_build_object('reason_code', p_reason_code));
  return true;
end
$$;
alter function outbox.erase_parties(text, text, text, text) owner to symphony_outbox_owner;
revoke all on function outbox.erase_parties(text, text, text, text) from public;
comment on function outbox.erase_parties(text, text, text, text) is
$$Erases the personal data of one ended instruction, salt included, so that the commitments that stay in the ledgers say nothing any more. Returns whether there was anything left to erase.
Callers: symphony_operator. Writes: instruction_parties; evidence_events through their owner. Locks: the parties row. Raises: SV404 no operator or no reason code (a code, for free text would put personal data into a ledger), SN403 unknown instruction, SC401 no terminal outcome yet or a case is open. Idempotent: yes.$$;
