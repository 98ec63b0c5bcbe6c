create or replace function outbox.complete_outbox_attempts(p_worker text, p_results outbox.result[]) returns setof outbox.outcome
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_outcomes outbox.outcome[];
begin
  perform outbox.check_worker_call(p_worker => p_worker, p_items => cardinality(p_results));

  with fenced as (
    delete from outbox.payment_outbox_in_flight as f
    using (
      -- In lock order, and the first answer to a lease is the one that counts.
      select distinct on (r.participant_id, r.outbox_id, r.lease_token) r.*
      from unnest(p_results) with ordinality as r(participant_id, outbox_id, lease_token, rail, answer_class, rail_code,
        rail_reference, echoed_amount_minor, echoed_currency, request_sha256, response_sha256, latency_us, n)
      order by r.participant_id, r.outbox_id, r.lease_token, r.n) as g
    where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id
      and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.rail = g.rail and f.lease_expires_at > v_now
    returning f.*, g.answer_class, g.rail_code, g.rail_reference, g.echoed_amount_minor, g.echoed_currency,
      g.request_sha256, g.response_sha256, g.latency_us
  ), judged as materialized (
    select f.*, b.retry_base_ms, b.retry_cap_ms, b.enquiry_after_ms, v.*
    from fenced as f
    left join policy.list_rails() as b on b.rail = f.rail
    cross join lateral outbox.judge(f.next_action, f.answer_class, f.rail_reference, f.echoed_amount_minor,
      f.echoed_currency, f.amount_minor, f.currency, v_now - f.last_sent_at, f.acceptance_seen, f.retries_used, f.enquiries_used,
      b.settle_ms, b.retry_max, b.enquiry_after_ms) as v
  ), written as (
    insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action, reason_code,
      claimed_by, lease_token, rail, rail_code, rail_reference, echoed_amount_minor,
      echoed_currency, request_sha256, response_sha256, latency_us, recorded_at, commitment)
    select j.participant_id, j.outbox_id, j.entry_no + 1, j.attempt_no, j.state, j.next_action, j.reason_code, j.claimed_by,
      j.lease_token, j.rail, j.rail_code, j.rail_reference, j.echoed_amount_minor, j.echoed_currency, j.request_sha256, j.response_sha256, j.latency_us, v_now,
      core.commitment(array['outbox.payment_outbox_attempts', j.participant_id, j.outbox_id::text, (j.entry_no + 1)::text,
        j.attempt_no::text, j.state::text, j.next_action::text, j.reason_code, j.claimed_by, j.lease_token::text, j.rail,
        j.rail_code, j.rail_reference, j.echoed_amount_minor::text, j.echoed_currency, encode(j.request_sha256, 'hex'), encode(j.response_sha256, 'hex'), v_now_us])
    from judged as j
    where j.state is not null
  ), requeued as (
    insert into outbox.payment_outbox_pending (participant_id, outbox_id, sequence_id, parent_attestation_id, rail,
      creditor_participant_id, currency, amount_minor, limit_day, created_at, due_at, last_sent_at, next_action, attempt_no,
      retries_used, enquiries_used, entry_no, acceptance_seen, requires_proxy, resolution_id, resolved_until)
    select j.participant_id, j.outbox_id, j.sequence_id, j.parent_attestation_id, j.rail, j.creditor_participant_id, j.currency,
      j.amount_minor, j.limit_day, j.created_at,
      greatest(j.created_at, v_now + outbox.wait_before_next(j.requeue, j.reason_code, j.retries_used, j.retry_base_ms,
        j.retry_cap_ms, j.enquiries_used, j.enquiry_after_ms)),
      case when j.next_action = 'DISPATCH' and j.requeue = 'ENQUIRE' then v_now else j.last_sent_at end,
      j.requeue, j.attempt_no,
      j.retries_used + (j.state is not null and j.reason_code <> 'RELEASED')::integer,
      case when j.requeue = 'DISPATCH' then 0 else j.enquiries_used + (j.reason_code <> 'RELEASED')::integer end,
      j.entry_no + (j.state is not null)::integer, j.acceptance_seen or j.answer_class = 'ACCEPTED',
      j.requires_proxy, j.resolution_id, j.resolved_until
    from judged as j
    where j.requeue is not null
  )
  select array_agg(row(j.participant_id, j.outbox_id, j.lease_token, case when j.reason_code = 'RELEASED' then 'RELEASED' else coalesce(j.state::text, 'ENQUIRE') end,
    j.reason_code, j.limit_day, j.currency, j.amount_minor,
    case when j.state = 'PENDING_MANUAL' or j.reason_code = 'RAIL_ECHO_MISMATCH' then jsonb_build_object('rail_code', j.rail_code,
      'rail_reference', j.rail_reference, 'echoed_amount_minor', j.echoed_amount_minor::text, 'echoed_currency', j.echoed_currency) end
    )::outbox.outcome)
  into v_outcomes
  from judged as j;

  perform outbox.follow_up(p_outcomes => v_outcomes);
  return query select o.* from unnest(v_outcomes) as o;
end
$$;
alter function outbox.complete_outbox_attempts(text, outbox.result[]) owner to symphony_outbox_owner;
revoke all on function outbox.complete_outbox_attempts(text, outbox.result[]) from public;
comment on function outbox.complete_outbox_attempts(text, outbox.result[]) is
$$Ends leases with classified answers, fenced in one statement by participant, instruction, rail, worker, token and an unexpired lease. Writes the outcome row, or queues the item again; returns a row for each lease it ended. An item without a returned row was not the worker's any more («lease lost»): nothing was written for it.
Callers: symphony_executor, rails.record_answers. Writes: payment_outbox_in_flight, payment_outbox_attempts, payment_outbox_pending; limit_usage and cases through their owners. Locks: the lease rows, sorted; usage rows. Raises: SV401, SV402; 23505 on ux_attempts_one_terminal_per_outbox would mean a defect. Idempotent: yes: a repeated answer finds no lease.$$;
