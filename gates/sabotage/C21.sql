-- expects: outbox.instruction_parties.salt
grant select (salt) on outbox.instruction_parties to symphony_operator;
