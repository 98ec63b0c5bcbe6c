-- expects: view information_schema.planted
set local allow_system_table_mods = on;
create view information_schema.planted as select 1 as one;
