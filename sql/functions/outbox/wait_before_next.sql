create or replace function outbox.wait_before_next(
  p_requeue outbox.next_action, p_reason_code text, p_retries_used integer, p_retry_base_ms integer, p_retry_cap_ms integer,
  p_enquiries_used integer, p_enquiry_after_ms integer[]) returns interval
language sql volatile parallel safe
return interval '1 millisecond' * case
  when p_reason_code = 'RELEASED' then 0
  when p_requeue = 'ENQUIRE' then p_enquiry_after_ms[p_enquiries_used + 1]
  else random() * least(p_retry_cap_ms::double precision, p_retry_base_ms * power(2, p_retries_used))
end;
alter function outbox.wait_before_next(outbox.next_action, text, integer, integer, integer, integer, integer[]) owner to symphony_outbox_owner;
revoke all on function outbox.wait_before_next(outbox.next_action, text, integer, integer, integer, integer, integer[]) from public;
comment on function outbox.wait_before_next(outbox.next_action, text, integer, integer, integer, integer, integer[]) is
$$How long a queued-again item waits: the next rung of the enquiry ladder, or full-jitter exponential back-off (uniform between 0 and base * 2^retries, capped).
Callers: outbox.complete_outbox_attempts. Writes: nothing. Locks: none. Raises: nothing. Idempotent: no (random).$$;
