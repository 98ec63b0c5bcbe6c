create or replace function ops.list_applied_files()
returns table (path text, version integer, name text, sha256 bytea, applied_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select format('migrations/%s_%s.sql', lpad(m.version::text, 4, '0'), m.name), m.version, m.name, m.sha256, m.applied_at
  from core.schema_migration as m
  union all
  (select distinct on (r.path) r.path, null, null, r.sha256, r.applied_at
  from core.schema_repeatable as r
  order by r.path, r.applied_at desc)
  order by 1;
end
$$;
alter function ops.list_applied_files() owner to symphony_ops_owner;
revoke all on function ops.list_applied_files() from public;
comment on function ops.list_applied_files() is
$$The files of sql/ in force in this database: every migration (with its number), and the latest application of every function file and of grants.sql.
Callers: symphony_maintainer. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
