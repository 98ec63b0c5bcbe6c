create or replace function outbox.bump_participant_outbox_seq(p_participant_ids text[], p_counts integer[]) returns bigint[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_first bigint[];
begin
  with bumped as (
    update outbox.participant_outbox_sequences as s
    set last_sequence_id = s.last_sequence_id + b.item_count
    from unnest(p_participant_ids, p_counts) as b(participant_id, item_count)
    where s.participant_id = b.participant_id
    returning s.participant_id, s.last_sequence_id - b.item_count + 1 as first_sequence_id
  )
  select array_agg(b.first_sequence_id order by b.participant_id) into v_first from bumped as b;
  if cardinality(v_first) is distinct from cardinality(p_participant_ids) then
    perform core.raise_error('SX401', jsonb_build_object('asked', cardinality(p_participant_ids), 'given', cardinality(v_first)));
  end if;
  return v_first;
end
$$;
alter function outbox.bump_participant_outbox_seq(text[], integer[]) owner to symphony_outbox_owner;
revoke all on function outbox.bump_participant_outbox_seq(text[], integer[]) from public;
comment on function outbox.bump_participant_outbox_seq(text[], integer[]) is
$$Gives each participant (sorted, once each) its next run of sequence numbers; returns the first of each run, in that order. Gap-free: a rollback gives the numbers back.
Callers: outbox.enqueue_batch, after outbox.lock_participants. Writes: participant_outbox_sequences. Locks: its rows, held since lock_participants. Raises: SX401 for a participant without a row. Idempotent: no.$$;
