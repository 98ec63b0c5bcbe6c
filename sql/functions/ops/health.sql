create or replace function ops.health() returns table (metric text, labels jsonb, value double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
begin
  return query
  select 'outbox_pending_depth', jsonb_build_object('rail', p.rail, 'action', p.next_action), count(*)::double precision
  from outbox.payment_outbox_pending as p where p.due_at < 'infinity' group by p.rail, p.next_action;
  return query
  select 'oldest_pending_age_seconds', '{}'::jsonb,
    coalesce(extract(epoch from v_now - min(p.due_at)), 0)::double precision
  from outbox.payment_outbox_pending as p where p.due_at <= v_now;
  return query
  select 'proxy_pending_depth', '{}'::jsonb, count(*)::double precision from proxy.resolution_queue as q;
  return query
  select 'proxy_oldest_pending_age_seconds', '{}'::jsonb, coalesce(extract(epoch from v_now - min(q.accepted_at)), 0)::double precision
  from proxy.resolution_queue as q;
  return query
  select 'uncertain_oldest_age_seconds', '{}'::jsonb,
    coalesce(extract(epoch from v_now - min(u.last_sent_at)), 0)::double precision
  from (select p.last_sent_at from outbox.payment_outbox_pending as p where p.next_action = 'ENQUIRE'
    union all select f.last_sent_at from outbox.payment_outbox_in_flight as f where f.next_action = 'ENQUIRE') as u;
  return query
  select 'in_flight_leases', jsonb_build_object('rail', f.rail), count(*)::double precision
  from outbox.payment_outbox_in_flight as f group by f.rail;
  return query
  select 'stuck_dispatching_count', '{}'::jsonb, count(*)::double precision
  from outbox.payment_outbox_in_flight as f where f.lease_expires_at < v_now;
  return query
  select 'cases_open', jsonb_build_object('kind', c.kind), count(*)::double precision
  from evidence.cases as c
  where not exists (select from evidence.case_decisions as d where d.participant_id = c.participant_id and d.case_id = c.case_id)
  group by c.kind;
  return query select h.metric, h.labels, h.value from ops.table_health() as h;
  return query select d.metric, d.labels, d.value from ops.drift_status() as d;
end
$$;
alter function ops.health() owner to symphony_ops_owner;
revoke all on function ops.health() from public;
comment on function ops.health() is
$$Everything worth watching that only the database knows, as metric, labels, value; units stand in the metric names.
Callers: symphony_maintainer. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
