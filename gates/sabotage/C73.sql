-- expects: outbox.payment_outbox_pending
create unique index planted on outbox.payment_outbox_pending (sequence_id, participant_id);
