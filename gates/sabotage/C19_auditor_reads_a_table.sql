-- expects: outbox.payment_instructions
grant select on outbox.payment_instructions to symphony_auditor;
