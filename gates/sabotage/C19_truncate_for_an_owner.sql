-- expects: outbox.payment_outbox_attempts
grant truncate on outbox.payment_outbox_attempts to symphony_ops_owner;
