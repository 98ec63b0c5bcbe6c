-- expects: allow_system_table_mods
set local allow_system_table_mods = on;
