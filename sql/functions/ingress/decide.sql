create or replace function ingress.decide(p_items ingress.item[])
returns table (
  item_no integer, decision ingress.decision, reason_code text, attestation_id uuid, outbox_id uuid, sequence_id bigint,
  state text, received_at timestamptz, policy_version integer, receipt_hash bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query select d.* from ingress.decide_answered(p_items => p_items, p_answers => null) as d;
end
$$;
alter function ingress.decide(ingress.item[]) owner to symphony_ingress_owner;
revoke all on function ingress.decide(ingress.item[]) from public;
comment on function ingress.decide(ingress.item[]) is
$$ingress.decide_answered where no registry has been asked.
Callers: ingress.accept, ingress.accept_proven. Writes: as ingress.decide_answered. Locks: as ingress.decide_answered. Raises: as ingress.decide_answered. Idempotent: yes, per participant and idempotency key.$$;
