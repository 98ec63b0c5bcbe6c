-- expects: planted
create role planted superuser login;
