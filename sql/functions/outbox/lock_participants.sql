create or replace function outbox.lock_participants(p_participant_ids text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_locked integer;
begin
  perform from outbox.participant_outbox_sequences as s
  where s.participant_id = any (p_participant_ids)
  order by s.participant_id
  for no key update;
  get diagnostics v_locked = row_count;
  if v_locked < cardinality(p_participant_ids) then
    insert into outbox.participant_outbox_sequences (participant_id, last_sequence_id)
    select p, 0 from unnest(p_participant_ids) as p order by p
    on conflict do nothing;
    perform from outbox.participant_outbox_sequences as s
    where s.participant_id = any (p_participant_ids)
    order by s.participant_id
    for no key update;
  end if;
end
$$;
alter function outbox.lock_participants(text[]) owner to symphony_outbox_owner;
revoke all on function outbox.lock_participants(text[]) from public;
comment on function outbox.lock_participants(text[]) is
$$Takes the lock of each participant, so that idempotency, day limits and sequences of one participant are decided one batch after another.
Callers: ingress.accept, outbox.enqueue_payment_outbox. Writes: participant_outbox_sequences (a first row). Locks: sequence rows in sorted order, which keeps two batches from waiting for each other in a ring. Raises: nothing. Idempotent: yes.$$;
