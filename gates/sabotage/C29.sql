-- expects: outbox.payment_outbox_attempts
drop index outbox.ux_attempts_one_terminal_per_outbox;
