-- C38: a session starts in origin mode and may not touch system tables
-- invariants: INV-014
-- severity: error
-- remedy: take the setting out of postgresql.conf, of ALTER SYSTEM and of the role, then reload
-- Looked at in the session itself, so it sees whatever place the setting comes from.
select s.name, format('is %s', s.setting)
from pg_catalog.pg_settings as s
join (values ('session_replication_role', 'origin'), ('allow_system_table_mods', 'off'), ('ignore_system_indexes', 'off'),
  ('ignore_checksum_failure', 'off'), ('zero_damaged_pages', 'off'), ('lo_compat_privileges', 'off'), ('event_triggers', 'on')
) as w(name, setting) on w.name = s.name and w.setting <> s.setting;
