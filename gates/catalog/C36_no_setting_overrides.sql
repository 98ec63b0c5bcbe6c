-- C36: no role and no database overrides a setting that changes what a statement means or whether it is durable
-- invariants: INV-007, INV-008
-- severity: error
-- remedy: alter role|database ... reset <setting>
-- A NOLOGIN role of ours needs no setting at all: SET ROLE does not apply them. ALTER ROLE login SET role = capability is the
-- documented way to bind a login to one capability (DESIGN section 7) and is allowed there.
select coalesce(r.rolname, 'every role') || ' in ' || coalesce(d.datname, 'every database'), format('sets %s', split_part(s.setting, '=', 1))
from pg_catalog.pg_db_role_setting as o
left join pg_catalog.pg_roles as r on r.oid = o.setrole
left join pg_catalog.pg_database as d on d.oid = o.setdatabase
cross join unnest(o.setconfig) as s(setting)
where (o.setdatabase = 0 or d.datname = current_database())
  and ((r.rolname ~ '^symphony_' and not r.rolcanlogin)
    or lower(split_part(s.setting, '=', 1)) in (
      'search_path', 'session_replication_role', 'row_security', 'event_triggers', 'synchronous_commit',
      'default_transaction_isolation', 'transaction_isolation', 'default_transaction_deferrable', 'check_function_bodies',
      'session_preload_libraries', 'local_preload_libraries', 'dynamic_library_path', 'session_authorization',
      'allow_system_table_mods', 'ignore_system_indexes', 'ignore_checksum_failure', 'zero_damaged_pages',
      'transform_null_equals', 'backslash_quote', 'standard_conforming_strings', 'escape_string_warning', 'array_nulls',
      'lo_compat_privileges', 'default_tablespace', 'temp_tablespaces', 'default_table_access_method', 'xmloption',
      'restrict_nonsystem_relation_kind', 'plan_cache_mode', 'plpgsql.variable_conflict', 'createrole_self_grant')
    or (lower(split_part(s.setting, '=', 1)) = 'role'
      and not (r.rolcanlogin and split_part(s.setting, '=', 2) ~ '^symphony_' and split_part(s.setting, '=', 2) !~ '_owner$')));
