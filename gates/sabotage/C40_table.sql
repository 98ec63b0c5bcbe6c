-- expects: foreign table outbox.planted
create foreign data wrapper planted;
create server elsewhere foreign data wrapper planted;
create foreign table outbox.planted (parties text) server elsewhere;
