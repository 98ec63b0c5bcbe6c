-- expects: planted_login
create role planted_login login;
grant symphony_ingest to planted_login with inherit false, set false;
