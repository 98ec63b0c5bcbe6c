create or replace function outbox.enqueue_answered(p_policy_version integer, p_limit_day date, p_intents outbox.intent[], p_answers outbox.alias_answer[])
returns setof outbox.recorded
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_ids text[];
  v_counts integer[];
  v_first bigint[];
begin
  select array_agg(c.participant_id order by c.participant_id), array_agg(c.item_count order by c.participant_id)
  into v_ids, v_counts
  from (select i.participant_id, count(*)::integer as item_count from unnest(p_intents) as i group by i.participant_id) as c;
  v_first := outbox.bump_participant_outbox_seq(p_participant_ids => v_ids, p_counts => v_counts);

  return query
  with numbered as materialized (
    -- dense_rank finds the participant's place in the sorted array, so that nothing needs joining.
    select i.*, uuid_send(gen_random_uuid()) as salt,
      case when i.requires_proxy and (p_answers[i.item_no]).status is distinct from 'RESOLVED' then 'AWAITING_PROXY_RESOLUTION' else 'PENDING' end as initial_state,
      v_first[dense_rank() over (order by i.participant_id)]
        + row_number() over (partition by i.participant_id order by i.item_no) - 1 as sequence_id
    from unnest(p_intents) as i
  ), committed as materialized (
    select h.*, core.commitment(array['outbox.payment_instructions', h.participant_id, h.outbox_id::text, h.sequence_id::text,
      h.attestation_id::text, h.idempotency_key, encode(h.payload_sha256, 'hex'), encode(h.parties_commitment, 'hex'),
      p_policy_version::text, to_char(p_limit_day, 'YYYY-MM-DD'), core.epoch_us(h.received_at), v_now_us]) as commitment
    from (select n.*, sha256(n.salt || convert_to(n.parties, 'UTF8')) as parties_commitment from numbered as n offset 0) as h
  ), ledger as (
    insert into outbox.idempotency_ledger (participant_id, instruction_id, idempotency_key, outbox_id)
    select c.participant_id, c.instruction_id, c.idempotency_key, c.outbox_id from committed as c
  ), instruction as (
    insert into outbox.payment_instructions (participant_id, outbox_id, sequence_id, attestation_id, instruction_id,
      idempotency_key, rail, currency, amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy,
      initial_state, payload_sha256, parties_commitment, policy_version, limit_day, received_at, recorded_at, commitment)
    select c.participant_id, c.outbox_id, c.sequence_id, c.attestation_id, c.instruction_id, c.idempotency_key, c.rail,
      c.currency, c.amount_minor, c.creditor_participant_id, c.end_to_end_id, c.purpose, c.uetr, c.requires_proxy,
      c.initial_state, c.payload_sha256, c.parties_commitment, p_policy_version, p_limit_day, c.received_at, v_now, c.commitment
    from committed as c
  ), parties as (
    insert into outbox.instruction_parties (participant_id, outbox_id, salt, parties)
    select c.participant_id, c.outbox_id, c.salt, c.parties from committed as c
  ), pending as (
    insert into outbox.payment_outbox_pending (participant_id, outbox_id, sequence_id, parent_attestation_id, rail,
      creditor_participant_id, currency, amount_minor, limit_day, created_at, due_at, next_action, requires_proxy)
    select c.participant_id, c.outbox_id, c.sequence_id, c.attestation_id, c.rail, c.creditor_participant_id, c.currency,
      c.amount_minor, p_limit_day, v_now, case when c.requires_proxy then 'infinity' else v_now end, 'DISPATCH', c.requires_proxy
    from committed as c
  )
  select c.item_no, true, c.outbox_id, c.sequence_id, c.initial_state, c.received_at, p_policy_version, c.commitment, c.attestation_id
  from committed as c
  order by c.item_no;

  perform outbox.await_aliases(p_intents => array(select i from unnest(p_intents) as i where i.requires_proxy), p_answers => p_answers);
end
$$;
alter function outbox.enqueue_answered(integer, date, outbox.intent[], outbox.alias_answer[]) owner to symphony_outbox_owner;
revoke all on function outbox.enqueue_answered(integer, date, outbox.intent[], outbox.alias_answer[]) from public;
comment on function outbox.enqueue_answered(integer, date, outbox.intent[], outbox.alias_answer[]) is
$$Records new instructions: idempotency, instruction, parties, sequence and queue row, in one statement. A creditor named by alias is not due before outbox.record_resolutions; an answer the ingress has already is recorded here.
Callers: ingress.decide_answered, outbox.enqueue_batch, after lock_participants and find_recorded said they are new. Writes: idempotency_ledger, payment_instructions, instruction_parties, payment_outbox_pending, participant_outbox_sequences; as outbox.await_aliases. Locks: sequence rows. Raises: SX401, 23505 when the caller skipped find_recorded, 23503 without attestation, 23514 for malformed fields. Idempotent: no.$$;
