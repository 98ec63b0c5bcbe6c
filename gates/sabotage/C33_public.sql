-- expects: outbox.claim_gate
create policy planted on outbox.claim_gate for select using (rail = '*');
