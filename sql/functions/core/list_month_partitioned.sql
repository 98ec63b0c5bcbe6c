create or replace function core.list_month_partitioned() returns setof core.month_partitioned
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select m.* from core.month_partitioned as m
  union all
  -- A row of the register in the next release: the one before this has no ops.ensure_partitions for the context.
  select 'proxy', 'proxy_resolutions', 'resolution_id', true, 8::smallint
  order by 5;
end
$$;
alter function core.list_month_partitioned() owner to symphony_core_owner;
revoke all on function core.list_month_partitioned() from public;
comment on function core.list_month_partitioned() is
$$The tables partitioned by month, referenced tables first.
Callers: ops.ensure_partitions, ops.table_health, core.create_month_partition. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
