-- C38: commits are durable, a session starts in origin mode and may not touch system tables
-- invariants: INV-014
-- severity: error
-- remedy: take the setting out of postgresql.conf, ALTER SYSTEM, the server's command line and the role, then restart or reload
-- Looked at in the session itself, so it sees whatever place the setting comes from.
select s.name, format('is %s (%s)', s.setting, s.source)
from pg_catalog.pg_settings as s
join (values ('session_replication_role', array['origin']), ('allow_system_table_mods', array['off']),
  ('ignore_system_indexes', array['off']), ('ignore_checksum_failure', array['off']), ('zero_damaged_pages', array['off']),
  ('lo_compat_privileges', array['off']), ('event_triggers', array['on']), ('fsync', array['on']), ('full_page_writes', array['on']),
  ('synchronous_commit', array['on', 'remote_apply'])
) as w(name, settings) on w.name = s.name and s.setting <> all (w.settings);
