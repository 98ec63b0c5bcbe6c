create or replace function ops.drift_status() returns table (metric text, labels jsonb, value double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  -- Newest first by key; events of no participant are few, and what is older than two days says nothing about now.
  return query
  select 'drift_status', '{}'::jsonb, coalesce((
    select (e.kind = 'DRIFT_FOUND')::integer
    from evidence.evidence_events as e
    where e.participant_id = '-' and e.event_id >= core.uuidv7_floor(core.now() - interval '2 days')
      and e.kind in ('DRIFT_CHECKED', 'DRIFT_FOUND')
    order by e.event_id desc
    limit 1), -1)::double precision;
end
$$;
alter function ops.drift_status() owner to symphony_ops_owner;
revoke all on function ops.drift_status() from public;
comment on function ops.drift_status() is
$$What the last drift check of the past two days said, as a metric: 1 drift, 0 none, -1 when nobody looked.
Callers: ops.health. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
