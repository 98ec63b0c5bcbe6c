-- expects: this database
-- What CREATE DATABASE ... TEMPLATE leaves: no ACL at all, which means PostgreSQL's defaults.
set local allow_system_table_mods = on;
update pg_catalog.pg_database set datacl = null where datname = current_database();
