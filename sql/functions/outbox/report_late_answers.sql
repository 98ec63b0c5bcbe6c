create or replace function outbox.report_late_answers(p_results outbox.result[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_now timestamptz := core.now();
begin
  -- A late ACCEPTED does not end anything, but it forbids a second send.
  update outbox.payment_outbox_in_flight as f set acceptance_seen = true
  from unnest(p_results) as r
  where r.answer_class = 'ACCEPTED' and f.participant_id = r.participant_id and f.outbox_id = r.outbox_id and not f.acceptance_seen;
  update outbox.payment_outbox_pending as p
  set acceptance_seen = true, next_action = 'ENQUIRE', last_sent_at = coalesce(p.last_sent_at, v_now),
    due_at = case when p.due_at = 'infinity' then v_now else p.due_at end -- it waited for its alias, which no enquiry needs
  from unnest(p_results) as r
  join outbox.payment_instructions as i on i.participant_id = r.participant_id and i.outbox_id = r.outbox_id
  where r.answer_class = 'ACCEPTED' and p.participant_id = i.participant_id and p.sequence_id = i.sequence_id and not p.acceptance_seen;
  return evidence.open_cases(p_cases => array(
    select row(r.participant_id, 'LATE_CONTRADICTION', r.outbox_id,
      jsonb_build_object('terminal_state', a.state, 'late_answer', r.answer_class, 'late_rail_code', r.rail_code,
        'rail_reference', a.rail_reference, 'late_rail_reference', r.rail_reference),
      'Compare the rail''s statement with the terminal outcome; decide with two identities.')::evidence.new_case
    from unnest(p_results) as r
    join outbox.payment_outbox_attempts as a on a.participant_id = r.participant_id and a.outbox_id = r.outbox_id
      and a.state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL')
    where (r.answer_class = 'ACCEPTED' and (a.state in ('FAILED', 'VOIDED')
        or (a.state = 'DISPATCHED' and r.rail_reference is distinct from a.rail_reference)))
      or (r.answer_class = 'REJECTED' and a.state = 'DISPATCHED')));
end
$$;
alter function outbox.report_late_answers(outbox.result[]) owner to symphony_outbox_owner;
revoke all on function outbox.report_late_answers(outbox.result[]) from public;
comment on function outbox.report_late_answers(outbox.result[]) is
$$What answers that came too late still do: an ACCEPTED forbids a second send (acceptance_seen), and a LATE_CONTRADICTION case is opened where one contradicts the terminal outcome, or names another rail reference. Never a second terminal. Returns how many cases are new.
Callers: rails.record_messages. Writes: payment_outbox_pending, payment_outbox_in_flight; cases, through their owner. Locks: the rows of accepted items. Raises: nothing. Idempotent: yes.$$;
