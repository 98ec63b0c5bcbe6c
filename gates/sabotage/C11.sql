-- expects: planted
create role planted createrole;
