-- expects: outbox.instruction_parties.parties
grant select (parties) on outbox.instruction_parties to public;
