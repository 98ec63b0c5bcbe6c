-- expects: outbox.payment_outbox_pending
grant insert on outbox.payment_outbox_pending to symphony_ingest;
