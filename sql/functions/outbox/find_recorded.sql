create or replace function outbox.find_recorded(p_intents outbox.intent[]) returns setof outbox.recorded
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with found as materialized (
    select i.item_no, i.participant_id, i.payload_sha256, i.parties, coalesce(k.outbox_id, l.outbox_id, n.outbox_id) as outbox_id,
      k.outbox_id is null and l.outbox_id is null as new_key, i.idempotency_key
    from unnest(p_intents) as i
    left join outbox.idempotency_ledger as k
      on k.participant_id = i.participant_id and k.idempotency_key = i.idempotency_key
    left join outbox.idempotency_key_aliases as l
      on l.participant_id = i.participant_id and l.idempotency_key = i.idempotency_key
    left join outbox.idempotency_ledger as n
      on n.participant_id = i.participant_id and n.instruction_id = i.instruction_id
    where k.outbox_id is not null or l.outbox_id is not null or n.outbox_id is not null
  ), known as materialized (
    select f.item_no,
      p.payload_sha256 = f.payload_sha256
        and (y.salt is null or p.parties_commitment = sha256(y.salt || convert_to(f.parties, 'UTF8'))) as same_content,
      p.outbox_id, p.sequence_id, p.initial_state, p.received_at, p.policy_version, p.commitment, p.attestation_id,
      f.new_key, f.participant_id, f.idempotency_key
    from found as f
    join outbox.payment_instructions as p on p.participant_id = f.participant_id and p.outbox_id = f.outbox_id
    join outbox.instruction_parties as y on y.participant_id = f.participant_id and y.outbox_id = f.outbox_id
  ), aliased as (
    -- A key that was answered is used up, also when the answer was a replay under another key.
    insert into outbox.idempotency_key_aliases (participant_id, idempotency_key, outbox_id)
    select distinct on (w.participant_id, w.idempotency_key) w.participant_id, w.idempotency_key, w.outbox_id
    from known as w
    where w.new_key and w.same_content
    order by w.participant_id, w.idempotency_key
    on conflict do nothing
  )
  select w.item_no, w.same_content, w.outbox_id, w.sequence_id, w.initial_state, w.received_at, w.policy_version, w.commitment,
    w.attestation_id
  from known as w;
end
$$;
alter function outbox.find_recorded(outbox.intent[]) owner to symphony_outbox_owner;
revoke all on function outbox.find_recorded(outbox.intent[]) from public;
comment on function outbox.find_recorded(outbox.intent[]) is
$$Those intents whose key or instruction id the participant has used before, with the original answer and whether the content is the same. After erasure the parties can no longer be compared, and the typed content decides.
A new key of a replay is recorded as used.
Callers: ingress.accept, ingress.accept_twins, outbox.enqueue_payment_outbox, under outbox.lock_participants. Writes: idempotency_key_aliases (replays under another key). Locks: none. Raises: nothing. Idempotent: yes.$$;
