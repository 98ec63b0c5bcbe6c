-- expects: outbox.claim_gate
delete from outbox.claim_gate where rail = '*';
