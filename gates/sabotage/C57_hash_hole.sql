-- expects: outbox.idempotency_ledger
alter table outbox.idempotency_ledger detach partition outbox.idempotency_ledger_3;
