-- expects: outbox.idempotency_key_aliases
alter table outbox.idempotency_key_aliases drop constraint idempotency_key_aliases_pkey;
