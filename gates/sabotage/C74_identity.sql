-- expects: outbox.claim_gate.n
alter table outbox.claim_gate add column n bigint generated always as identity;
