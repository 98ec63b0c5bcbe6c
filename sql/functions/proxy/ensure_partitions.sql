create or replace function proxy.ensure_partitions(p_table text, p_month date) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '250ms'
as $$
begin
  return core.create_month_partition(p_schema => 'proxy', p_table => p_table, p_month => p_month);
end
$$;
alter function proxy.ensure_partitions(text, date) owner to symphony_proxy_owner;
revoke all on function proxy.ensure_partitions(text, date) from public;
comment on function proxy.ensure_partitions(text, date) is
$$Makes one monthly leaf of a table of this context; writers wait at most lock_timeout.
Callers: ops.ensure_partitions. Writes: catalog. Locks: see core.create_month_partition. Raises: 55P03 when a lock is not had in 250 ms. Idempotent: yes.$$;
