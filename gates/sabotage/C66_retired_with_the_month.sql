-- expects: outbox.idempotency_ledger
alter table outbox.idempotency_ledger add foreign key (participant_id, outbox_id) references outbox.payment_instructions;
