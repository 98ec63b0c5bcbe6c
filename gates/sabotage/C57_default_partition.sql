-- expects: outbox.instruction_parties
create table outbox.planted partition of outbox.instruction_parties default;
