-- expects: symphony_executor
create role planted;
grant pg_write_all_data to planted;
grant planted to symphony_executor with inherit false, set true;
