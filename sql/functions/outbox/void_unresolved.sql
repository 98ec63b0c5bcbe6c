create or replace function outbox.void_unresolved(p_worker text, p_outcomes outbox.outcome[]) returns setof outbox.outcome
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_voided outbox.outcome[];
begin
  with placed as materialized (
    select o.participant_id, o.outbox_id, o.lease_token, o.reason_code, o.facts, p.place from unnest(p_outcomes) as o
    cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say of a queue that was empty a moment ago
      select i.sequence_id from outbox.payment_instructions as i
      where i.participant_id = o.participant_id and i.outbox_id = o.outbox_id offset 0) as i
    cross join lateral (
      select p.ctid as place from outbox.payment_outbox_pending as p
      where p.participant_id = o.participant_id and p.sequence_id = i.sequence_id offset 0) as p
  ), deleted as (
    delete from outbox.payment_outbox_pending as p
    where p.ctid = any (array(select x.place from placed as x)) and p.due_at = 'infinity' and p.next_action = 'DISPATCH' and not p.acceptance_seen
    returning p.participant_id, p.outbox_id, p.entry_no, p.attempt_no, p.rail, p.limit_day, p.currency, p.amount_minor
  ), ended as materialized (
    select d.*, x.lease_token, x.reason_code, x.facts
    from deleted as d
    join placed as x on x.participant_id = d.participant_id and x.outbox_id = d.outbox_id
  ), written as (
    insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action, reason_code, claimed_by, lease_token,
      rail, recorded_at, commitment)
    select e.participant_id, e.outbox_id, e.entry_no + 1, e.attempt_no, 'VOIDED', 'DISPATCH', e.reason_code, p_worker, e.lease_token, e.rail, v_now,
      core.commitment(array['outbox.payment_outbox_attempts', e.participant_id, e.outbox_id::text, (e.entry_no + 1)::text, e.attempt_no::text, 'VOIDED',
        'DISPATCH', e.reason_code, p_worker, e.lease_token::text, e.rail, null, null, null, null, null, null, v_now_us])
    from ended as e
  )
  select array_agg(row(e.participant_id, e.outbox_id, e.lease_token, 'VOIDED', e.reason_code, e.limit_day, e.currency, e.amount_minor, e.facts)::outbox.outcome
    order by e.participant_id, e.outbox_id)
  into v_voided
  from ended as e;
  perform outbox.follow_up(p_outcomes => v_voided);
  return query select o.* from unnest(v_voided) as o;
end
$$;
alter function outbox.void_unresolved(text, outbox.outcome[]) owner to symphony_outbox_owner;
revoke all on function outbox.void_unresolved(text, outbox.outcome[]) from public;
comment on function outbox.void_unresolved(text, outbox.outcome[]) is
$$Ends instructions that wait for their alias and will not get it: VOIDED before any rail call, usage given back, a case each. One that a rail has been heard of is left alone.
Callers: outbox.record_resolutions, outbox.tend_resolutions. Writes: payment_outbox_pending, payment_outbox_attempts; limit_usage and cases through their owners. Locks: queue rows; usage rows. Raises: nothing. Idempotent: yes.$$;
