-- expects: outbox.idempotency_ledger
alter table outbox.idempotency_ledger drop constraint idempotency_key_once_per_participant;
