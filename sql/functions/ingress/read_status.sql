create or replace function ingress.read_status(p_item ingress.item, p_proof ingress.proof)
returns table (
  decision ingress.decision, refusal_code text, attestation_id uuid, instruction_id text, outbox_id uuid, sequence_id bigint, state text,
  rail text, amount_minor bigint, currency text, attempts integer, rail_reference text, reason_code text, received_at timestamptz,
  updated_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_outbox_id uuid;
begin
  select s.outbox_id into v_outbox_id from outbox.instruction_status(p_participant_id => p_item.participant_id,
    p_instruction_id => p_item.instruction_id) as s;
  return query
  select a.decision, a.reason_code, a.attestation_id, s.*
  from ingress.attest_read(p_item => p_item, p_proof => p_proof, p_outbox_id => v_outbox_id) as a
  left join outbox.instruction_status(p_participant_id => p_item.participant_id, p_instruction_id => p_item.instruction_id) as s
    on a.decision = 'READ';
end
$$;
alter function ingress.read_status(ingress.item, ingress.proof) owner to symphony_ingress_owner;
revoke all on function ingress.read_status(ingress.item, ingress.proof) from public;
comment on function ingress.read_status(ingress.item, ingress.proof) is
$$A participant reads the state of one of its own instructions; the read is attested, granted or refused.
Callers: symphony_status_reader. Writes: ingress_attestations, seen_jti. Locks: as ingress.attest_read. Raises: SV501 no item, SX003 no cell, SV003, SX004. Idempotent: no.$$;
