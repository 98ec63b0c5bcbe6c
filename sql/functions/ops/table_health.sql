create or replace function ops.table_health() returns table (metric text, labels jsonb, value double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
begin
  return query
  select m.metric, jsonb_build_object('table', s.schemaname || '.' || s.relname), m.value
  from pg_stat_all_tables as s
  cross join lateral (values
    ('table_size_bytes', pg_table_size(s.relid)::double precision),
    ('index_size_bytes', pg_indexes_size(s.relid)::double precision),
    ('dead_tuples', s.n_dead_tup::double precision),
    ('vacuum_age_seconds', extract(epoch from v_now - greatest(s.last_vacuum, s.last_autovacuum))::double precision)
  ) as m(metric, value)
  where s.schemaname || '.' || s.relname in ('outbox.payment_outbox_pending', 'outbox.payment_outbox_in_flight',
      'outbox.participant_outbox_sequences', 'outbox.claim_gate', 'policy.limit_usage')
    and m.value is not null;
  -- The replay ring: each slot alone, so that one which is never emptied shows.
  return query
  select m.metric, jsonb_build_object('table', s.schemaname || '.' || s.relname), m.value
  from pg_stat_all_tables as s
  cross join lateral (values
    ('table_size_bytes', pg_table_size(s.relid)::double precision),
    ('index_size_bytes', pg_indexes_size(s.relid)::double precision)
  ) as m(metric, value)
  where s.schemaname = 'ingress' and s.relname ~ '^seen_jti_[0-7]$';
  return query
  select 'replay_horizon_age_seconds', '{}'::jsonb, extract(epoch from v_now)::double precision - 600.0 * (h.closed_bucket + 1)
  from ingress.replay_horizon as h where h.closed_bucket > 0;
  return query
  select 'partitions_ahead_months', jsonb_build_object('table', t.schema_name || '.' || t.table_name),
    (select count(*) from pg_inherits as i
      join pg_class as c on c.oid = i.inhrelid
      where i.inhparent = to_regclass(t.schema_name || '.' || t.table_name)
        and c.relname > t.table_name || to_char(v_now at time zone 'UTC', '_YYYYMM'))::double precision
  from core.list_month_partitioned() as t;
end
$$;
alter function ops.table_health() owner to symphony_ops_owner;
revoke all on function ops.table_health() from public;
comment on function ops.table_health() is
$$Size, dead rows and vacuum age of the hot tables, size of the replay store's slots and how long ago its last closed bucket ended (absent before the first), and how many months of partitions lie ahead.
Callers: ops.health. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
