-- expects: outbox.planted.amount_minor
create table outbox.planted (amount_minor numeric);
