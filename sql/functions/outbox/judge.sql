create or replace function outbox.judge(
  p_action outbox.next_action, p_class outbox.answer_class, p_rail_reference text, p_echoed_amount_minor bigint,
  p_echoed_currency text, p_amount_minor bigint, p_currency text, p_since_sent interval, p_acceptance_seen boolean, p_retries_used integer,
  p_enquiries_used integer, p_settle_ms integer, p_retry_max smallint, p_enquiry_after_ms integer[],
  out state outbox.attempt_state, out reason_code text, out requeue outbox.next_action)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  case
    when p_class = 'ACCEPTED' and (p_echoed_amount_minor is distinct from coalesce(p_amount_minor, -1)
      or p_echoed_currency is distinct from p_currency) then
      reason_code := 'RAIL_ECHO_MISMATCH';
    when p_class = 'ACCEPTED' and coalesce(p_rail_reference, '') = '' then
      reason_code := 'RAIL_REFERENCE_MISSING';
    when p_class = 'ACCEPTED' then
      state := 'DISPATCHED';
      return;
    when p_class = 'REJECTED' and not p_acceptance_seen then
      state := 'FAILED';
      reason_code := 'RAIL_REJECTED';
      return;
    when p_class = 'REFUSED_BEFORE_CALL' and p_action = 'DISPATCH' and not p_acceptance_seen then
      state := 'VOIDED';
      reason_code := 'REFUSED_BEFORE_CALL';
      return;
    when p_class = 'RELEASED' then
      reason_code := 'RELEASED';
      requeue := case when p_acceptance_seen then 'ENQUIRE'::outbox.next_action else p_action end;
      state := case when p_action = 'DISPATCH' then 'RETRYABLE'::outbox.attempt_state end;
      return;
    when p_class = 'NOT_SENT' and p_action = 'DISPATCH' and not p_acceptance_seen then
      state := 'RETRYABLE';
      reason_code := 'RAIL_NOT_SENT';
    when p_class = 'NOT_FOUND' and p_action = 'ENQUIRE' and not p_acceptance_seen and p_since_sent >= p_settle_ms * interval '1 millisecond' then
      state := 'RETRYABLE';
      reason_code := 'RAIL_SETTLED_NOT_FOUND';
    when p_class = 'NOT_FOUND' then
      reason_code := 'RAIL_NOT_FOUND';
    else
      reason_code := 'RAIL_UNCERTAIN';
  end case;

  if state = 'RETRYABLE' and p_retries_used < p_retry_max then
    requeue := 'DISPATCH';
  elsif state = 'RETRYABLE' then
    state := 'FAILED';
    reason_code := 'RETRY_CEILING';
  elsif p_enquiries_used < cardinality(p_enquiry_after_ms) then
    requeue := 'ENQUIRE';
  else
    state := 'PENDING_MANUAL';
    reason_code := case when reason_code = 'RAIL_ECHO_MISMATCH' then reason_code else 'ENQUIRY_EXHAUSTED' end;
  end if;
end
$$;
alter function outbox.judge(outbox.next_action, outbox.answer_class, text, bigint, text, bigint, text, interval, boolean, integer, integer, integer, smallint, integer[]) owner to symphony_outbox_owner;
revoke all on function outbox.judge(outbox.next_action, outbox.answer_class, text, bigint, text, bigint, text, interval, boolean, integer, integer, integer, smallint, integer[]) from public;
comment on function outbox.judge(outbox.next_action, outbox.answer_class, text, bigint, text, bigint, text, interval, boolean, integer, integer, integer, smallint, integer[]) is
$$What an answer makes of an item: a state to write, or where it is queued again, and why. The rules of DESIGN section 5 in one place. Once the rail has said ACCEPTED, nothing but an ACCEPTED that can be used or a person ends the item. A rail missing from every policy counts as exhausted.
Callers: outbox.complete_outbox_attempts. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
