create or replace function outbox.payload_sha256(
  p_participant_id text, p_instruction_id text, p_rail text, p_currency text, p_amount_minor bigint,
  p_creditor_participant_id text, p_end_to_end_id text, p_purpose text, p_uetr uuid, p_requires_proxy boolean) returns bytea
language sql stable parallel safe
return sha256(convert_to(
  '{"amount_minor":"' || p_amount_minor
  || '","creditor_participant_id":' || coalesce(to_json(p_creditor_participant_id)::text, 'null')
  || ',"currency":' || to_json(p_currency)::text
  || ',"end_to_end_id":' || coalesce(to_json(p_end_to_end_id)::text, 'null')
  || ',"instruction_id":' || to_json(p_instruction_id)::text
  || ',"participant_id":' || to_json(p_participant_id)::text
  || ',"purpose":' || coalesce(to_json(p_purpose)::text, 'null')
  || ',"rail":' || to_json(p_rail)::text
  || ',"requires_proxy":' || p_requires_proxy
  || ',"uetr":' || coalesce(to_json(p_uetr)::text, 'null') || '}', 'UTF8'));
alter function outbox.payload_sha256(text, text, text, text, bigint, text, text, text, uuid, boolean) owner to symphony_outbox_owner;
revoke all on function outbox.payload_sha256(text, text, text, text, bigint, text, text, text, uuid, boolean) from public;
comment on function outbox.payload_sha256(text, text, text, text, bigint, text, text, text, uuid, boolean) is
$$SHA-256 of the instruction as an RFC 8785 object (keys sorted, amounts as strings, absent members null): what «same content» means, and recomputable from the ledger row.
Callers: ingress.list_intents, outbox.enqueue_payment_outbox. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
