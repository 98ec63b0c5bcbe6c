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
  v_in_time boolean[];
begin
  -- Only the first answer to a lease can have ended it; what else is said of it came too late.
  select array_agg(a.nth = 1 and exists (
    select from unnest(p_outcomes) as o
    where o.participant_id = a.participant_id and o.outbox_id = a.outbox_id and o.lease_token = a.lease_token) order by a.n)
  into v_in_time
  from (
    select r.*, row_number() over (partition by r.participant_id, r.outbox_id, r.lease_token order by r.n) as nth
    from unnest(p_results) with ordinality as r(participant_id, outbox_id, lease_token, rail, answer_class, rail_code,
      rail_reference, echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n)) as a;
  perform outbox.report_late_answers(p_results => array(
    select p_results[n] from generate_subscripts(p_results, 1) as n where not v_in_time[n]));
  return query
  with seen as materialized (
    select a.*, (p_results[a.n]).answer_class as answer_class, uuidv7() as message_id,
      coalesce(o.outcome, 'LEASE_LOST') as outcome, case when o.outcome is null then 'LEASE_LOST' else o.reason_code end as reason_code
    from unnest(p_answers) with ordinality as a(participant_id, outbox_id, lease_token, rail, phase, rail_code, rail_reference,
      echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n)
    left join unnest(p_outcomes) as o on v_in_time[a.n] and o.participant_id = a.participant_id
      and o.outbox_id = a.outbox_id and o.lease_token = a.lease_token
  ), kept as (
    insert into rails.rail_messages (participant_id, message_id, outbox_id, rail, phase, rail_code, rail_reference, answer_class,
      outcome, claimed_by, lease_token, echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, recorded_at, commitment)
    select s.participant_id, s.message_id, s.outbox_id, s.rail, s.phase::rails.phase, s.rail_code, s.rail_reference, s.answer_class,
      s.outcome, p_worker, s.lease_token, s.echoed_amount_minor, s.echoed_currency, s.request_sha256, s.response_sha256, s.latency_us, v_now,
      core.commitment(array['rails.rail_messages', s.participant_id, s.message_id::text, s.outbox_id::text, s.rail, s.phase,
        s.rail_code, s.rail_reference, s.answer_class::text, s.outcome, p_worker, s.lease_token::text,
        s.echoed_amount_minor::text, s.echoed_currency, encode(s.request_sha256, 'hex'), encode(s.response_sha256, 'hex'), v_now_us])
    from seen as s
    where s.outcome in ('ENQUIRE', 'LEASE_LOST') and s.phase <> 'NONE' and s.participant_id is not null and s.outbox_id is not null
      and s.rail is not null and s.lease_token is not null
  )
  select s.participant_id, s.outbox_id, s.outcome, s.reason_code from seen as s order by s.n;
end
$$;
alter function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) owner to symphony_rails_owner;
revoke all on function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) from public;
comment on function rails.record_messages(text, rails.answer[], outbox.result[], outbox.outcome[]) is
$$Keeps the exchanges that ended nothing: uncertain answers, and answers of a worker whose lease was lost (evidence, though they change no state; contradictions open a case).
Callers: rails.record_answers. Writes: rail_messages; cases and acceptance_seen through outbox.report_late_answers. Locks: as there. Raises: nothing. Idempotent: no.$$;
