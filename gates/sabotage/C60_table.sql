-- expects: outbox.claim_gate
comment on table outbox.claim_gate is null;
