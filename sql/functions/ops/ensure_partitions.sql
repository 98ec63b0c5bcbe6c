create or replace function ops.ensure_partitions(p_months_ahead integer)
returns table (partition_name text, deferred boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_this_month date := date_trunc('month', core.now() at time zone 'UTC')::date;
  v_entry record;
  v_name text;
begin
  if p_months_ahead is null or p_months_ahead not between 0 and 24 then
    perform core.raise_error('SV002', jsonb_build_object('months_ahead', p_months_ahead));
  end if;
  -- A loop, because each table is DDL of its own context; one that cannot have its lock soon is left to the next run.
  for v_entry in
    select m.schema_name, m.table_name, (v_this_month + g.n * interval '1 month')::date as month
    from core.list_month_partitioned() as m, generate_series(0, p_months_ahead) as g(n)
    order by g.n, m.creation_order
  loop
    begin
      v_name := case v_entry.schema_name
        when 'ingress' then ingress.ensure_partitions(p_table => v_entry.table_name, p_month => v_entry.month)
        when 'outbox' then outbox.ensure_partitions(p_table => v_entry.table_name, p_month => v_entry.month)
        when 'rails' then rails.ensure_partitions(p_table => v_entry.table_name, p_month => v_entry.month)
        when 'proxy' then proxy.ensure_partitions(p_table => v_entry.table_name, p_month => v_entry.month)
        when 'evidence' then evidence.ensure_partitions(p_table => v_entry.table_name, p_month => v_entry.month)
      end;
      if v_name is not null then
        return query select v_name, false;
      end if;
    exception
      when lock_not_available or deadlock_detected or duplicate_table or unique_violation then
        -- Stop here: what was attached keeps its locks until this transaction ends, so it must end now.
        return query select v_entry.schema_name || '.' || v_entry.table_name || to_char(v_entry.month, '_YYYYMM'), true;
        return;
    end;
  end loop;
end
$$;
alter function ops.ensure_partitions(integer) owner to symphony_ops_owner;
revoke all on function ops.ensure_partitions(integer) from public;
comment on function ops.ensure_partitions(integer) is
$$Makes the monthly partitions of every ledger for this month and p_months_ahead more; returns those made, and as deferred the one whose lock was not to be had in 250 ms, where it stops (the next run goes on). Ask month by month, each in a transaction of its own.
Callers: symphony_maintainer, symphony migrate. Writes: catalog. Locks: see core.create_month_partition; held to the end of the transaction, so nothing else belongs into it. Raises: SV002; a second maintainer at the same moment is deferred. Idempotent: yes.$$;
