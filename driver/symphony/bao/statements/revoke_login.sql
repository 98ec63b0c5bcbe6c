-- May run again after any failure, and when the login has gone already.
do $$
begin
  if exists (select from pg_catalog.pg_roles as r where r.rolname = '{{name}}') then
    execute pg_catalog.format('alter role %I nologin', '{{name}}');
  end if;
end
$$

-- OpenBao puts all of this into one transaction. NOLOGIN must be seen by others before sessions end: a pool
-- reconnects at once, and its new sessions outlived the revocation every time this commit was missing.
commit

do $$
begin
  perform pg_catalog.pg_terminate_backend(a.pid, 5000) from pg_catalog.pg_stat_activity as a where a.usename = '{{name}}';
  perform pg_catalog.pg_stat_clear_snapshot();
  if exists (select from pg_catalog.pg_stat_activity as a where a.usename = '{{name}}') then
    raise exception 'a session of a revoked login goes on';
  end if;
end
$$

drop role if exists "{{name}}"
