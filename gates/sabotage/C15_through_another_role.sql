-- expects: planted_login
create role planted;
create role planted_login login;
grant symphony_core_owner to planted with inherit false, set false;
grant planted to planted_login with inherit false, set false;
