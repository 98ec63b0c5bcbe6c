create or replace function ops.get_status()
returns table (
  server_version text, fsync text, synchronous_commit text, full_page_writes text, data_checksums text, is_standby boolean,
  cell_id text, cell_epoch integer, policy_version integer, policy_checksum bytea, policy_activated_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'),
    current_setting('full_page_writes'), current_setting('data_checksums'), pg_is_in_recovery(),
    c.cell_id, c.epoch, p.policy_version, p.checksum, p.activated_at
  from (select) as one
  left join (select c.* from core.cell as c order by c.epoch desc limit 1) as c on true
  left join policy.get_active() as p on true;
end
$$;
alter function ops.get_status() owner to symphony_ops_owner;
revoke all on function ops.get_status() from public;
comment on function ops.get_status() is
$$One row: what the server promises (durability settings), which cell this database is and which policy is ACTIVE; null where there is none yet.
Callers: symphony_maintainer. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
