create or replace function rails.record_answers(p_worker text, p_answers rails.answer[])
returns table (participant_id text, outbox_id uuid, outcome text, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_answers rails.answer[];
  v_results outbox.result[];
  v_outcomes outbox.outcome[];
begin
  -- Words that are no codes mean nothing and must not fail the batch mates: uncertain, under a code of our own.
  select array_agg(row(a.participant_id, a.outbox_id, a.lease_token, a.rail,
    case when a.phase in ('NONE', 'SUBMIT', 'QUERY') then a.phase else 'SUBMIT' end,
    case when length(a.rail_code) between 1 and 64 and a.rail_code !~ '[^A-Za-z0-9._:/+-]' then a.rail_code else 'UNREADABLE_ANSWER' end,
    case when length(a.rail_reference) between 1 and 64 and a.rail_reference !~ '[^A-Za-z0-9._:/+-]' then a.rail_reference end,
    a.echoed_amount_minor, left(a.echoed_currency, 3), a.request_sha256, a.response_sha256, a.latency_us)::rails.answer order by a.n)
  into v_answers
  from unnest(p_answers) with ordinality as a(participant_id, outbox_id, lease_token, rail, phase, rail_code, rail_reference,
    echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n);
  select array_agg(row(a.participant_id, a.outbox_id, a.lease_token, a.rail, coalesce(c.answer_class, 'UNCERTAIN'), a.rail_code,
    a.rail_reference, a.echoed_amount_minor, a.echoed_currency, a.request_sha256, a.response_sha256, a.latency_us)::outbox.result
    order by a.n)
  into v_results
  from unnest(v_answers) with ordinality as a(participant_id, outbox_id, lease_token, rail, phase, rail_code, rail_reference,
    echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n)
  left join lateral (
    -- The rail's own newest version, else what holds for every rail, else uncertain.
    select k.answer_class from rails.response_classes as k
    where k.rail in (a.rail, '*') and k.phase = a.phase::rails.phase and k.rail_code = a.rail_code
      and k.version = (select max(m.version) from rails.response_classes as m where m.rail = k.rail)
    order by k.rail = '*'
    limit 1) as c on true;

  select array_agg(o) into v_outcomes from outbox.complete_outbox_attempts(p_worker => p_worker, p_results => v_results) as o;
  if cardinality(v_outcomes) = cardinality(p_answers)
    and not exists (select from unnest(v_outcomes) as o where o.outcome = 'ENQUIRE') then
    return query select o.participant_id, o.outbox_id, o.outcome, o.reason_code from unnest(v_outcomes) as o;
    return;
  end if;
  return query select m.* from rails.record_messages(p_worker => p_worker, p_answers => v_answers, p_results => v_results,
    p_outcomes => v_outcomes) as m;
end
$$;
alter function rails.record_answers(text, rails.answer[]) owner to symphony_rails_owner;
revoke all on function rails.record_answers(text, rails.answer[]) from public;
comment on function rails.record_answers(text, rails.answer[]) is
$$Takes 1 to 1000 exchanges with a rail: classifies each by rails.response_classes (unmapped is uncertain), completes the leases they end, and keeps those that ended nothing as rail messages. Returns a row per answer; LEASE_LOST for an item that was not the worker's any more.
Callers: symphony_executor. Writes: rail_messages; the outbox, usage and cases through outbox.complete_outbox_attempts. Locks: the lease rows, usage rows. Raises: SV401, SV402. Idempotent: yes for the outbox; a repeated answer is kept once more as a LEASE_LOST message.$$;
