-- expects: outbox.claim_gate
alter table outbox.claim_gate rename to claim_gate_old;
