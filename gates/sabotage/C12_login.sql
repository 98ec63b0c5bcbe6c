-- expects: planted
-- A login that has no role of ours, and reads and writes everything all the same.
create role planted login;
grant pg_read_all_data, pg_write_all_data to planted;
