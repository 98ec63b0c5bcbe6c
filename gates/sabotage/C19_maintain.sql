-- expects: outbox.payment_outbox_pending
grant maintain on outbox.payment_outbox_pending to symphony_maintainer;
