-- C62: at most one policy version can be ACTIVE
-- invariants: INV-018
-- severity: error
-- remedy: restore: create unique index ux_policy_versions_one_active on policy.policy_versions (status) where status = 'ACTIVE'
select 'policy.ux_policy_versions_one_active', coalesce('is ' || pg_get_indexdef(to_regclass('policy.ux_policy_versions_one_active')), 'is missing')
where not exists (
  select from pg_catalog.pg_index as i
  where i.indexrelid = to_regclass('policy.ux_policy_versions_one_active') and i.indrelid = to_regclass('policy.policy_versions')
    and i.indisunique and i.indimmediate and i.indisvalid and i.indisready and i.indislive
    and i.indnatts = 1 and pg_get_indexdef(i.indexrelid, 1, false) = 'status'
    and pg_get_expr(i.indpred, i.indrelid) = '(status = ''ACTIVE''::policy.version_status)');
