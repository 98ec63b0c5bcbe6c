-- expects: outbox.claim_gate
create policy planted on outbox.claim_gate for select to symphony_executor using (true);
