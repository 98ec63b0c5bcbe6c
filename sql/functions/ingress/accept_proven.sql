create or replace function ingress.accept_proven(p_items ingress.item[], p_proofs ingress.proof[])
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
  -- Proofs are used up before any participant is locked: who waits for a proof holds nothing that its first user needs.
  return query select d.* from ingress.decide(p_items => ingress.refuse_unproven(p_items => p_items,
    p_proofs => coalesce(p_proofs, '{}'))) as d;
end
$$;
alter function ingress.accept_proven(ingress.item[], ingress.proof[]) owner to symphony_ingress_owner;
revoke all on function ingress.accept_proven(ingress.item[], ingress.proof[]) from public;
comment on function ingress.accept_proven(ingress.item[], ingress.proof[]) is
$$ingress.accept for requests whose senders were authenticated: in the same transaction the certificate is looked up again (registered, not revoked, its client's, revocations freshly known), and token, DPoP proof and nonce are used up. An item that fails here is attested as REJECT with the reason, ahead of every other rule; an item that the ingress has refused needs no proof.
Callers: symphony_ingest. Writes: seen_jti; as ingress.accept. Locks: core.cell and proof_rules ROW SHARE, replay keys, sorted, then as ingress.accept. Raises: SV503 not one proof an item; as ingress.accept. Idempotent: yes, per participant and idempotency key, with a new proof each time.$$;
