create or replace function ingress.accept_twins(p_items ingress.item[], p_policy_version integer, p_checksum bytea, p_intents outbox.intent[], p_twins outbox.intent[])
returns table (
  item_no integer, decision ingress.decision, reason_code text, attestation_id uuid, outbox_id uuid, sequence_id bigint,
  state text, received_at timestamptz, policy_version integer, receipt_hash bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_reasons text[] := array_fill(null::text, array[cardinality(p_items)]);
  v_recorded outbox.recorded[] := array_fill(null::outbox.recorded, array[cardinality(p_items)]);
  v_row record;
begin
  -- A loop over the few twins of a batch, placed by item number as in ingress.accept.
  for v_row in
    select i.item_no, f as recorded
    from unnest(p_twins) as i
    left join outbox.find_recorded(p_intents => p_twins) as f on f.item_no = i.item_no
  loop
    v_recorded[v_row.item_no] := v_row.recorded;
    v_reasons[v_row.item_no] := case
      when v_row.recorded is null then 'DUPLICATE_IN_BATCH'
      when not (v_row.recorded).same_content then 'IDEMPOTENCY_CONFLICT' end;
  end loop;
  perform ingress.attest(p_items => p_items, p_intents => p_intents, p_reasons => v_reasons, p_recorded => v_recorded,
    p_policy_version => p_policy_version, p_checksum => p_checksum, p_item_nos => array(select i.item_no from unnest(p_twins) as i));
  return query select v.* from ingress.verdicts(p_intents => p_twins, p_reasons => v_reasons, p_recorded => v_recorded) as v;
end
$$;
alter function ingress.accept_twins(ingress.item[], integer, bytea, outbox.intent[], outbox.intent[]) owner to symphony_ingress_owner;
revoke all on function ingress.accept_twins(ingress.item[], integer, bytea, outbox.intent[], outbox.intent[]) from public;
comment on function ingress.accept_twins(ingress.item[], integer, bytea, outbox.intent[], outbox.intent[]) is
$$The second use of a key or id inside one batch: REPLAY of the first, IDEMPOTENCY_CONFLICT, or DUPLICATE_IN_BATCH when the first was refused.
Callers: ingress.decide. Writes: ingress_attestations. Locks: none beyond accept's. Raises: as ingress.attest. Idempotent: no.$$;
