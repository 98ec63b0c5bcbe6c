-- expects: planted_login
create role planted_login login;
alter role planted_login set synchronous_commit = off;
