create or replace function outbox.instruction_status(p_participant_id text, p_instruction_id text)
returns table (
  instruction_id text, outbox_id uuid, sequence_id bigint, state text, rail text, amount_minor bigint, currency text,
  attempts integer, rail_reference text, reason_code text, received_at timestamptz, updated_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select i.instruction_id, i.outbox_id, i.sequence_id,
    case
      when a.state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL') then a.state::text
      when coalesce(p.next_action, f.next_action) = 'ENQUIRE' then 'UNCERTAIN'
      when f.outbox_id is not null then 'DISPATCHING'
      when p.due_at = 'infinity' then 'AWAITING_PROXY_RESOLUTION'
      when a.state = 'RETRYABLE' then 'RETRYABLE'
      else 'PENDING'
    end,
    i.rail, i.amount_minor, i.currency, coalesce(a.attempt_no, 0)::integer, a.rail_reference, a.reason_code, i.received_at,
    coalesce(a.recorded_at, i.recorded_at)
  from outbox.idempotency_ledger as k
  join outbox.payment_instructions as i on i.participant_id = k.participant_id and i.outbox_id = k.outbox_id
  left join outbox.payment_outbox_pending as p on p.participant_id = k.participant_id and p.sequence_id = i.sequence_id
  left join outbox.payment_outbox_in_flight as f on f.participant_id = k.participant_id and f.outbox_id = k.outbox_id
  left join lateral (
    select t.* from outbox.payment_outbox_attempts as t
    where t.participant_id = k.participant_id and t.outbox_id = k.outbox_id
    order by t.entry_no desc limit 1) as a on true
  where k.participant_id = p_participant_id and k.instruction_id = p_instruction_id;
end
$$;
alter function outbox.instruction_status(text, text) owner to symphony_outbox_owner;
revoke all on function outbox.instruction_status(text, text) from public;
comment on function outbox.instruction_status(text, text) is
$$The state of a participant's own instruction by its own id; no row when it was never recorded. States: PENDING, AWAITING_PROXY_RESOLUTION, DISPATCHING, RETRYABLE, UNCERTAIN, DISPATCHED, FAILED, VOIDED, PENDING_MANUAL.
Callers: symphony_ingest. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
