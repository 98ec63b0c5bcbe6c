-- expects: planted_login
create role planted_login login;
grant symphony_outbox_owner to planted_login;
alter role planted_login set role = 'symphony_outbox_owner';
