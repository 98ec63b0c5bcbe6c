-- expects: column outbox.payment_instructions.rail
grant select (rail) on outbox.payment_instructions to symphony_ops_owner;
