create or replace function ingress.verdicts(p_intents outbox.intent[], p_reasons text[], p_recorded outbox.recorded[])
returns table (
  item_no integer, decision ingress.decision, reason_code text, attestation_id uuid, outbox_id uuid, sequence_id bigint,
  state text, received_at timestamptz, policy_version integer, receipt_hash bytea)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_reasons text[] := p_reasons;
  v_recorded outbox.recorded[] := p_recorded;
begin
  return query
  select j.item_no,
    case when j.reason is not null then 'REJECT' when (j.recorded).outbox_id = j.outbox_id then 'ACCEPT' else 'REPLAY' end::ingress.decision,
    j.reason, coalesce((j.recorded).attestation_id, j.attestation_id),
    (j.recorded).outbox_id, (j.recorded).sequence_id, (j.recorded).state, (j.recorded).received_at, (j.recorded).policy_version,
    (j.recorded).receipt_hash
  from (
    select i.item_no, i.attestation_id, i.outbox_id, v_reasons[i.item_no] as reason,
      case when v_reasons[i.item_no] is null then v_recorded[i.item_no] end as recorded
    from unnest(p_intents) as i) as j
  where j.reason is not null or (j.recorded).outbox_id is not null
  order by j.item_no;
end
$$;
alter function ingress.verdicts(outbox.intent[], text[], outbox.recorded[]) owner to symphony_ingress_owner;
revoke all on function ingress.verdicts(outbox.intent[], text[], outbox.recorded[]) from public;
comment on function ingress.verdicts(outbox.intent[], text[], outbox.recorded[]) is
$$The answers of accept, in item order, of those items that have one.
Callers: ingress.decide, ingress.accept_twins. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
