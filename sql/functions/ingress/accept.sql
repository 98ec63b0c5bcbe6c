create or replace function ingress.accept(p_items ingress.item[])
returns table (
  item_no integer, decision ingress.decision, reason_code text, attestation_id uuid, outbox_id uuid, sequence_id bigint,
  state text, received_at timestamptz, policy_version integer, receipt_hash bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  perform core.require_session();
  perform core.hold_cell();
  perform ingress.check_items(p_items => p_items);
  return query select d.* from ingress.decide(p_items => ingress.refuse_unproven(p_items => p_items, p_proofs => null)) as d;
end
$$;
alter function ingress.accept(ingress.item[]) owner to symphony_ingress_owner;
revoke all on function ingress.accept(ingress.item[]) from public;
comment on function ingress.accept(ingress.item[]) is
$$Decides 1 to 500 requests and records every decision: an attestation each, and for ACCEPT the instruction, its idempotency, its sequence and its queue row. Returns a row per item: ACCEPT, REPLAY (the original answer) or REJECT with the first failing rule: form, IDEMPOTENCY_CONFLICT, then policy.decide's order. A replay is recognised before halts and limits, so it gets the same answer in any state. Answer the client after COMMIT only. Requests come without proof here: for development, and for the previous release; where proof is required each is refused with PROOF_MISSING.
Callers: symphony_ingest. Writes: ingress_attestations; payment_instructions, instruction_parties, idempotency_ledger, payment_outbox_pending, participant_outbox_sequences, idempotency_key_aliases, limit_usage through their owners. Locks: the participants' sequence rows, sorted, to the end of the transaction; usage rows; core.cell and proof_rules ROW SHARE. Raises: SV401 batch bounds, SV501 null item, SR201 no active policy, SX003 no cell, SV003, SX004. Idempotent: yes, per participant and idempotency key.$$;
