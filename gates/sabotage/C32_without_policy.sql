-- expects: outbox.claim_gate
alter table outbox.claim_gate enable row level security, force row level security;
