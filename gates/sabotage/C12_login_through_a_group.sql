-- expects: planted
create role planted_group;
create role planted login;
grant pg_write_all_data to planted_group;
grant planted_group to planted;
