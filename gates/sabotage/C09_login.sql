-- expects: planted_login
create role planted_login login noinherit;
grant symphony_ingest to planted_login with inherit false, set true;
create schema planted authorization planted_login;
