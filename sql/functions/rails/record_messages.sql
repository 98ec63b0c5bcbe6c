create or replace function rails.record_messages(
  p_worker text, p_answers rails.answer[], p_results outbox.result[], p_outcomes outbox.outcome[])
returns table (participant_id text, outbox_id uuid, outcome text, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
begin
  perform outbox.report_late_answers(p_results => array(
    select r from unnest(p_results) as r
    where not exists (select from unnest(p_outcomes) as o where o.participant_id = r.participant_id and o.outbox_id = r.outbox_id
      and o.lease_token = r.lease_token)));
  return query
  with seen as materialized (
    select a.*, (p_results[a.n]).answer_class as answer_class, uuidv7() as message_id,
      coalesce(o.outcome, 'LEASE_LOST') as outcome, coalesce(o.reason_code, case when o.outcome is null then 'LEASE_LOST' end) as reason_code
    from unnest(p_answers) with ordinality as a(participant_id, outbox_id, lease_token, rail, phase, rail_code, rail_reference,
      echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n)
    left join unnest(p_outcomes) as o on o.participant_id = a.participant_id and o.outbox_id = a.outbox_id and o.lease_token = a.lease_token
  ), kept as (
    insert into rails.rail_messages (participant_id, message_id, outbox_id, rail, phase, rail_code, rail_reference, answer_class,
      outcome, claimed_by, lease_token, request_sha256, response_sha256, latency_us, recorded_at, commitment)
    select s.participant_id, s.message_id, s.outbox_id, s.rail, s.phase::rails.phase, s.rail_code, s.rail_reference, s.answer_class,
      s.outcome, p_worker, s.lease_token, s.request_sha256, s.response_sha256, s.latency_us, v_now,
      core.commitment(array['rails.rail_messages', s.participant_id, s.message_id::text, s.outbox_id::text, s.rail, s.phase,
        s.rail_code, s.rail_reference, s.answer_class::text, s.outcome, p_worker, s.lease_token::text,
        encode(s.request_sha256, 'hex'), encode(s.response_sha256, 'hex'), v_now_us])
    from seen as s
    where s.outcome in ('ENQUIRE', 'LEASE_LOST') and s.phase <> 'NONE'
  )
  select s.participant_id, s.outbox_id, s.outcome, s.reason_code from seen as s order by s.n;
end
$$;
alter function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) owner to symphony_rails_owner;
revoke all on function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) from public;
comment on function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) is
$$Keeps the exchanges that ended nothing: uncertain answers, and answers of a worker whose lease was lost (evidence, though they change no state; contradictions open a case).
Callers: rails.record_answers. Writes: rail_messages. Locks: none. Raises: nothing. Idempotent: no.$$;
