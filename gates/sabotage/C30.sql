-- expects: outbox.claim_gate
alter table outbox.claim_gate add constraint planted check (rail <> '') not valid;
