-- expects: outbox.payment_outbox_attempts
drop index outbox.ux_attempts_one_terminal_per_outbox;
create unique index ux_attempts_one_terminal_per_outbox on outbox.payment_outbox_attempts (participant_id, outbox_id)
  where state in ('DISPATCHED', 'FAILED', 'VOIDED');
