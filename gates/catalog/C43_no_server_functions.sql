-- C43: no role of ours, nor PUBLIC, may execute a function that reads files, writes WAL or steers the server
-- invariants: INV-005
-- severity: error
-- remedy: revoke execute on the function; these belong to superusers and predefined roles
-- Allowed: pg_create_*_replication_slot and the slot functions, which PostgreSQL leaves to PUBLIC by ACL and guards inside by
-- the REPLICATION attribute, which no role of ours has (C10, C11).
select p.oid::regprocedure::text, format('%s holds EXECUTE', coalesce(r.rolname, 'PUBLIC'))
from pg_catalog.pg_proc as p
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
left join pg_catalog.pg_roles as r on r.oid = x.grantee
where p.pronamespace = 'pg_catalog'::regnamespace
  and p.proname ~ '^(pg_read_|pg_ls_|pg_stat_file|lo_import|lo_export|pg_reload_conf|pg_rotate_logfile|pg_current_logfile|pg_switch_wal|pg_create_restore_point|pg_backup_|pg_promote|pg_wal_replay_(pause|resume)|pg_replication_origin_|pg_stat_reset|pg_logical_emit_message|pg_log_|pg_hba_file_rules|pg_ident_file_mappings|pg_show_all_file_settings|pg_get_backend_memory_contexts|pg_get_shmem_allocations)'
  and (x.grantee = 0 or (not r.rolsuper and exists (
    select from pg_catalog.pg_roles as s where s.rolname ~ '^symphony_' and pg_has_role(r.oid, s.oid, 'MEMBER'))));
