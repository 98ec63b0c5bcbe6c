create or replace function outbox.report_late_answers(p_results outbox.result[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
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
$$Opens a LATE_CONTRADICTION case where an answer that came too late contradicts the terminal outcome, or names another rail reference. Never a second terminal. Returns how many cases are new.
Callers: rails.record_messages. Writes: cases, through their owner. Locks: none. Raises: nothing. Idempotent: yes.$$;
