create or replace function outbox.repair_expired_leases(p_limit integer)
returns table (participant_id text, outbox_id uuid, outcome text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_outcomes outbox.outcome[];
begin
  perform outbox.check_worker_call(p_worker => 'repair', p_items => p_limit);
  with expired as materialized (
    select f.participant_id, f.outbox_id, f.lease_token
    from outbox.payment_outbox_in_flight as f
    where f.lease_expires_at <= v_now
    order by f.lease_expires_at
    limit p_limit
    for update skip locked
  ), taken as (
    -- The fence again, in the statement that takes the row: a lease extended meanwhile stays.
    delete from outbox.payment_outbox_in_flight as f
    using expired as e
    where f.participant_id = e.participant_id and f.outbox_id = e.outbox_id
      and f.lease_token = e.lease_token and f.lease_expires_at <= v_now
    returning f.*
  ), judged as materialized (
    -- An enquiry whose worker dies counts as one; at the end of the ladder a person decides.
    select t.*, case when x.exhausted then 'PENDING_MANUAL' else 'ZOMBIE_REQUEUE' end::outbox.attempt_state as state,
      case when x.exhausted then 'ENQUIRY_EXHAUSTED' else 'LEASE_EXPIRED' end as reason_code
    from taken as t
    left join policy.list_rails() as b on b.rail = t.rail
    cross join lateral (
      select t.next_action = 'ENQUIRE' and t.enquiries_used >= coalesce(cardinality(b.enquiry_after_ms), 0) as exhausted) as x
  ), zombie as (
    insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action, reason_code,
      claimed_by, lease_token, rail, recorded_at, commitment)
    select t.participant_id, t.outbox_id, t.entry_no + 1, t.attempt_no, t.state, t.next_action, t.reason_code,
      t.claimed_by, t.lease_token, t.rail, v_now,
      core.commitment(array['outbox.payment_outbox_attempts', t.participant_id, t.outbox_id::text, (t.entry_no + 1)::text,
        t.attempt_no::text, t.state::text, t.next_action::text, t.reason_code, t.claimed_by, t.lease_token::text,
        t.rail, null, null, null, null, null, null, v_now_us])
    from judged as t
  ), queued as (
    insert into outbox.payment_outbox_pending (participant_id, outbox_id, sequence_id, parent_attestation_id, rail,
      creditor_participant_id, currency, amount_minor, limit_day, created_at, due_at, last_sent_at, next_action, attempt_no,
      retries_used, enquiries_used, entry_no, acceptance_seen, requires_proxy, resolution_id, resolved_until)
    select t.participant_id, t.outbox_id, t.sequence_id, t.parent_attestation_id, t.rail, t.creditor_participant_id, t.currency,
      t.amount_minor, t.limit_day, t.created_at, greatest(v_now, t.created_at),
      -- The worker may have sent until its lease ended.
      case when t.next_action = 'DISPATCH' then t.lease_expires_at else t.last_sent_at end,
      'ENQUIRE', t.attempt_no, t.retries_used, t.enquiries_used + (t.next_action = 'ENQUIRE')::integer, t.entry_no + 1, t.acceptance_seen,
      t.requires_proxy, t.resolution_id, t.resolved_until
    from judged as t
    where t.state = 'ZOMBIE_REQUEUE'
  )
  select array_agg(row(t.participant_id, t.outbox_id, t.lease_token, t.state::text, t.reason_code, t.limit_day, t.currency,
    t.amount_minor, null)::outbox.outcome)
  into v_outcomes
  from judged as t;

  perform outbox.follow_up(p_outcomes => v_outcomes);
  return query select o.participant_id, o.outbox_id, o.outcome from unnest(v_outcomes) as o;
end
$$;
alter function outbox.repair_expired_leases(integer) owner to symphony_outbox_owner;
revoke all on function outbox.repair_expired_leases(integer) from public;
comment on function outbox.repair_expired_leases(integer) is
$$Takes back expired leases: a ZOMBIE_REQUEUE row, and the item queued as ENQUIRE, due now; never straight to DISPATCH, for the call may have left us. An ENQUIRE item at the end of its ladder becomes PENDING_MANUAL with a case.
Callers: symphony_executor, symphony_maintainer. Writes: payment_outbox_in_flight, payment_outbox_attempts, payment_outbox_pending; cases through their owner. Locks: the lease rows, SKIP LOCKED. Raises: SV401. Idempotent: yes.$$;
