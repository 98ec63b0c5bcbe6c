create or replace function ingress.attest_read(p_item ingress.item, p_proof ingress.proof, p_outbox_id uuid)
returns table (decision ingress.decision, reason_code text, attestation_id uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_items ingress.item[];
  v_intents outbox.intent[];
  v_recorded outbox.recorded;
  v_policy record;
  v_reason text;
begin
  perform core.require_session();
  perform core.hold_cell();
  if p_item is null then
    perform core.raise_error('SV501');
  end if;
  v_items := ingress.refuse_unproven(p_items => array[p_item], p_proofs => case when not (p_proof is null) then array[p_proof] end);
  v_items[1].rail := null; -- what asks for nothing to be paid is attested as READ
  v_reason := coalesce(v_items[1].reject_reason, case -- what an attestation of READ must hold
      when (octet_length(p_item.body_sha256) = 32 and p_item.db_role is not null and p_item.correlation_id is not null
        and isfinite(p_item.received_at) and isfinite(p_item.verified_at)) is not true then 'ITEM_INVALID'
      when p_outbox_id is null then 'INSTRUCTION_UNKNOWN' end);
  v_recorded.outbox_id := p_outbox_id;
  v_intents := array(select f.intent from ingress.list_intents(p_items => v_items) as f);
  select a.policy_version, a.checksum into v_policy from policy.get_active() as a;
  perform ingress.attest(p_items => v_items, p_intents => v_intents, p_reasons => array[v_reason],
    p_recorded => array[case when v_reason is null then v_recorded end], p_policy_version => v_policy.policy_version,
    p_checksum => v_policy.checksum, p_item_nos => null);
  return query select case when v_reason is null then 'READ' else 'REJECT' end::ingress.decision, v_reason, v_intents[1].attestation_id;
end
$$;
alter function ingress.attest_read(ingress.item, ingress.proof, uuid) owner to symphony_ingress_owner;
revoke all on function ingress.attest_read(ingress.item, ingress.proof, uuid) from public;
comment on function ingress.attest_read(ingress.item, ingress.proof, uuid) is
$$Attests one read: READ of the recorded instruction, or REJECT with the reason. Proof is judged and used up as in ingress.accept_proven; null only where none is required. A read that does not say what an attestation must hold: ITEM_INVALID.
Callers: ingress.read_status, ingress.read_evidence. Writes: ingress_attestations, seen_jti. Locks: core.cell and proof_rules ROW SHARE, replay keys. Raises: SV501 no item, SX003 no cell, SV003, SX004. Idempotent: no.$$;
