-- expects: outbox.idempotency_key_aliases
alter table outbox.idempotency_key_aliases add foreign key (outbox_id, participant_id) references outbox.payment_instructions (outbox_id, participant_id);
