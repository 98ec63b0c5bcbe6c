-- expects: outbox.planted
create sequence outbox.planted;
