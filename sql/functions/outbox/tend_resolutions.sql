create or replace function outbox.tend_resolutions(p_worker text, p_limit integer) returns table (returned integer, voided integer)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_awaiting proxy.awaiting[];
  v_voided integer;
begin
  perform core.require_session();
  perform outbox.check_worker_call(p_worker => p_worker, p_items => p_limit);
  with expired as materialized (
    select p.ctid as place
    from outbox.payment_outbox_pending as p
    where p.resolved_until <= v_now and p.next_action = 'DISPATCH'
    order by p.resolved_until
    limit p_limit
    for update skip locked
  ), waiting as (
    update outbox.payment_outbox_pending as p
    set due_at = 'infinity', resolution_id = null, resolved_until = null
    where p.ctid = any (array(select e.place from expired as e))
    returning p.participant_id, p.outbox_id, p.created_at
  )
  select array_agg(row(w.participant_id, w.outbox_id, y.parties::jsonb #>> '{creditor,alias,type}', w.created_at)::proxy.awaiting) into v_awaiting
  from waiting as w
  cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say
    select y.parties from outbox.instruction_parties as y where y.participant_id = w.participant_id and y.outbox_id = w.outbox_id offset 0) as y;
  if v_awaiting is not null then
    perform proxy.await_resolutions(p_awaiting => v_awaiting);
  end if;
  select count(*) into v_voided from outbox.void_unresolved(p_worker => p_worker, p_outcomes => array(
    select row(o.participant_id, o.outbox_id, gen_random_uuid(), 'VOIDED', o.reason_code, null, null, null, '{"waited": "pending_max_ms"}')::outbox.outcome
    from proxy.take_overdue(p_limit => p_limit) as o));
  return query select coalesce(cardinality(v_awaiting), 0), v_voided;
end
$$;
alter function outbox.tend_resolutions(text, integer) owner to symphony_outbox_owner;
revoke all on function outbox.tend_resolutions(text, integer) from public;
comment on function outbox.tend_resolutions(text, integer) is
$$Sends instructions whose resolution expired before their dispatch back to the resolvers, and voids those whose patience has ended, with a case. Returns how many of each.
Callers: symphony_resolver, symphony_maintainer. Writes: payment_outbox_pending, as outbox.void_unresolved; resolution_queue through its owner. Locks: pending and resolution_queue rows with SKIP LOCKED; usage rows. Raises: SV401, SV402, SV003, SX004. Idempotent: yes.$$;
