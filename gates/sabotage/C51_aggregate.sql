-- expects: outbox.planted(bigint)
create aggregate outbox.planted(bigint) (sfunc = int8pl, stype = bigint);
