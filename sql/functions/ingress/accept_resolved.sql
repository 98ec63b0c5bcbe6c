create or replace function ingress.accept_resolved(p_items ingress.item[], p_proofs ingress.proof[], p_answers outbox.alias_answer[])
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
  if cardinality(p_answers) is distinct from cardinality(p_items) or array_lower(p_answers, 1) <> 1 or array_ndims(p_answers) <> 1 then
    perform core.raise_error('SV503', jsonb_build_object('items', cardinality(p_items), 'answers', cardinality(p_answers)));
  end if;
  return query select d.* from ingress.decide_answered(p_items => ingress.refuse_unproven(p_items => p_items, p_proofs => p_proofs), p_answers => p_answers) as d;
end
$$;
alter function ingress.accept_resolved(ingress.item[], ingress.proof[], outbox.alias_answer[]) owner to symphony_ingress_owner;
revoke all on function ingress.accept_resolved(ingress.item[], ingress.proof[], outbox.alias_answer[]) from public;
comment on function ingress.accept_resolved(ingress.item[], ingress.proof[], outbox.alias_answer[]) is
$$ingress.accept_proven for requests whose aliases the ingress has had answered already (policy SYNC); an answer an item, null where none was asked. RESOLVED is recorded with the instruction, which is PENDING at once; anything else refuses it, unless it was recorded before. Proofs null: for development, as in ingress.accept.
Callers: symphony_ingest. Writes: as ingress.accept_proven; as outbox.record_resolutions. Locks: as ingress.accept_proven, then resolution_queue and cache rows. Raises: SV503 not one answer an item, SX403; as ingress.accept_proven. Idempotent: yes, per participant and idempotency key, with a new proof each time.$$;
