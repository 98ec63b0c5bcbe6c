-- expects: table outbox.claim_gate
alter table outbox.claim_gate owner to symphony_executor;
