create or replace function ingress.decide_answered(p_items ingress.item[], p_answers outbox.alias_answer[])
returns table (
  item_no integer, decision ingress.decision, reason_code text, attestation_id uuid, outbox_id uuid, sequence_id bigint,
  state text, received_at timestamptz, policy_version integer, receipt_hash bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_policy record;
  v_intents outbox.intent[];
  v_reasons text[];
  v_known text[];
  v_recorded outbox.recorded[];
  v_twins outbox.intent[];
  v_row outbox.recorded;
  r record;
begin
  -- 1. Form, and ids in batch order.
  select array_agg(f.intent order by f.n), array_agg(f.reason order by f.n) into v_intents, v_reasons
  from ingress.list_intents(p_items => p_items) as f;

  -- 2. One batch after another per participant, from here to the commit.
  v_known := policy.known_participants(p_participant_ids => array(
    select distinct i.participant_id from unnest(v_intents) as i where v_reasons[i.item_no] is null));
  perform outbox.lock_participants(p_participant_ids => v_known);
  select array_agg(case when v_reasons[i.item_no] is null and i.participant_id <> all (v_known) then 'PARTICIPANT_UNKNOWN'
    else v_reasons[i.item_no] end order by i.item_no) into v_reasons from unnest(v_intents) as i;
  -- The policy and its day as they are now, after any wait: what decides is what is attested and given back.
  select a.policy_version, a.checksum, a.limit_day into v_policy from policy.get_active() as a;
  if not found then
    perform core.raise_error('SR201');
  end if;

  -- 3. Recorded before: an original answer, or a conflict. Loops here place results by item number; tables are used by set.
  v_recorded := array_fill(null::outbox.recorded, array[cardinality(p_items)]);
  for v_row in select f.* from outbox.find_recorded(p_intents => array(
    select i from unnest(v_intents) as i where v_reasons[i.item_no] is null)) as f
  loop
    v_recorded[v_row.item_no] := v_row;
    v_reasons[v_row.item_no] := case when not v_row.same_content then 'IDEMPOTENCY_CONFLICT' end;
  end loop;

  if exists (select from unnest(v_intents) as i where i.requires_proxy and v_reasons[i.item_no] is null) then
    v_reasons := ingress.alias_reasons(p_intents => v_intents, p_reasons => v_reasons, p_recorded => v_recorded, p_answers => p_answers);
  end if;

  -- 4. Policy, for what is new. A twin (same key or id earlier in the batch) waits for its first.
  for r in select d.* from policy.decide(p_policy_version => v_policy.policy_version, p_limit_day => v_policy.limit_day, p_payments => array(
    select row(i.item_no, i.participant_id, i.rail, i.currency, i.amount_minor, i.creditor_participant_id)::policy.payment
    from unnest(v_intents) as i
    where v_reasons[i.item_no] is null and v_recorded[i.item_no] is null and not i.twin)) as d
  loop
    v_reasons[r.item_no] := r.reason_code;
  end loop;

  -- 5. Attestations first (the instruction refers to its own), then the instructions.
  v_twins := array(select i from unnest(v_intents) as i
    where i.twin and v_reasons[i.item_no] is null and v_recorded[i.item_no] is null);
  perform ingress.attest(p_items => p_items, p_intents => v_intents, p_reasons => v_reasons, p_recorded => v_recorded,
    p_policy_version => v_policy.policy_version, p_checksum => v_policy.checksum, p_item_nos => case when cardinality(v_twins) > 0 then array(
      select i.item_no from unnest(v_intents) as i
      where not i.twin or v_reasons[i.item_no] is not null or v_recorded[i.item_no] is not null) end);
  for v_row in select e.* from outbox.enqueue_answered(p_policy_version => v_policy.policy_version, p_limit_day => v_policy.limit_day, p_intents => array(
    select i from unnest(v_intents) as i
    where v_reasons[i.item_no] is null and v_recorded[i.item_no] is null and not i.twin), p_answers => p_answers) as e
  loop
    v_recorded[v_row.item_no] := v_row;
  end loop;

  -- 6. Twins now find their first, or learn that it was refused.
  if cardinality(v_twins) > 0 then
    return query select t.* from ingress.accept_twins(p_items => p_items, p_policy_version => v_policy.policy_version, p_checksum => v_policy.checksum,
      p_intents => v_intents, p_twins => v_twins) as t;
  end if;

  return query select v.* from ingress.verdicts(p_intents => v_intents, p_reasons => v_reasons, p_recorded => v_recorded) as v;
end
$$;
alter function ingress.decide_answered(ingress.item[], outbox.alias_answer[]) owner to symphony_ingress_owner;
revoke all on function ingress.decide_answered(ingress.item[], outbox.alias_answer[]) from public;
comment on function ingress.decide_answered(ingress.item[], outbox.alias_answer[]) is
$$Decides checked items and records every decision: form, idempotency, policy, attestation, instruction, twins. p_answers null: no registry has been asked. See ingress.accept.
Callers: ingress.decide, ingress.accept_resolved. Writes: ingress_attestations; payment_instructions, instruction_parties, idempotency_ledger, payment_outbox_pending, participant_outbox_sequences, idempotency_key_aliases, limit_usage through their owners; for aliases as ingress.alias_reasons and outbox.await_aliases. Locks: the participants' sequence rows, sorted, to the end of the transaction; miss rows; usage rows; as outbox.await_aliases. Raises: SR201 no active policy, SX403 and SV301 for answers. Idempotent: yes, per participant and idempotency key.$$;
