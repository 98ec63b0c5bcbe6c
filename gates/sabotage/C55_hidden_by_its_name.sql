-- expects: schema pg_planted
-- A name that other conditions let pass does not, once a role of ours owns it.
set local allow_system_table_mods = on;
create schema pg_planted authorization symphony_outbox_owner;
