-- expects: user mapping on elsewhere
create foreign data wrapper planted;
create server elsewhere foreign data wrapper planted;
create user mapping for symphony_outbox_owner server elsewhere;
