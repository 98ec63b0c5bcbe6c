-- expects: outbox.claim_gate
alter table outbox.claim_gate owner to symphony_ops_owner;
