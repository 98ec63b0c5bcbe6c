-- expects: outbox.claim_gate.score
alter table outbox.claim_gate add column score double precision;
