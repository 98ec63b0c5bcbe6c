create or replace function ingress.read_evidence(p_item ingress.item, p_proof ingress.proof)
returns table (decision ingress.decision, refusal_code text, attestation_id uuid, entries jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_timeline record;
begin
  select t.outbox_id, t.entries into v_timeline from evidence.list_timeline(p_participant_id => p_item.participant_id,
    p_instruction_id => p_item.instruction_id) as t;
  return query
  select a.decision, a.reason_code, a.attestation_id, case when a.decision = 'READ' then v_timeline.entries end
  from ingress.attest_read(p_item => p_item, p_proof => p_proof, p_outbox_id => v_timeline.outbox_id) as a;
end
$$;
alter function ingress.read_evidence(ingress.item, ingress.proof) owner to symphony_ingress_owner;
revoke all on function ingress.read_evidence(ingress.item, ingress.proof) from public;
comment on function ingress.read_evidence(ingress.item, ingress.proof) is
$$A participant reads the evidence about one of its own instructions (evidence.list_timeline); the read is attested, granted or refused.
Callers: symphony_evidence_reader. Writes: ingress_attestations, seen_jti. Locks: as ingress.attest_read. Raises: SV501 no item, SX003 no cell, SV003, SX004. Idempotent: no.$$;
