create or replace function outbox.open_claim_gate(p_rail text, p_limit integer) returns outbox.claim_room
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz;
  v_rail record;
  v_gate outbox.claim_gate;
  v_room outbox.claim_room;
  v_in_flight integer;
  v_in_flight_rail integer;
  v_holders text[];
  v_held integer[];
begin
  perform core.require_session();
  -- One gate for all rails, there since the migration: the global cap needs claims of different rails one after another too.
  perform from outbox.claim_gate as g where g.rail = '*' for update;
  if not found then
    perform core.raise_error('SX402');
  end if;
  select r.* into v_rail from policy.list_rails() as r where r.rail = p_rail;
  if not found then
    perform core.raise_error('SN401', jsonb_build_object('rail', p_rail));
  end if;
  select g.* into v_gate from outbox.claim_gate as g where g.rail = p_rail;
  if not found then
    insert into outbox.claim_gate values (p_rail, '-infinity', '-infinity') returning * into v_gate;
  end if;
  v_now := core.now();

  -- Each statement sees what earlier claims committed, for the gate is held; completions only make room.
  select coalesce(sum(f.n), 0), coalesce(sum(f.n_rail), 0), array_agg(f.participant_id), array_agg(f.n)
  into v_in_flight, v_in_flight_rail, v_holders, v_held
  from (
    select f.participant_id, count(*)::integer as n, count(*) filter (where f.rail = p_rail) as n_rail
    from outbox.payment_outbox_in_flight as f
    group by f.participant_id) as f;
  v_room.free := greatest(0, least(p_limit, v_rail.in_flight_cap - v_in_flight_rail,
    (select a.in_flight_cap_global from policy.get_active() as a) - v_in_flight));
  -- Only participants whose own room is smaller than the batch matter.
  select coalesce(array_agg(c.participant_id), '{}'), coalesce(array_agg(c.in_flight_cap - c.n), '{}'),
    coalesce(array_agg(c.participant_id) filter (where c.n >= c.in_flight_cap), '{}')
  into v_room.participant_ids, v_room.participant_free, v_room.full_participants
  from (
    select p.participant_id, p.in_flight_cap, coalesce(f.n, 0) as n
    from policy.list_participant_caps() as p
    left join unnest(v_holders, v_held) as f(participant_id, n) on f.participant_id = p.participant_id) as c
  where c.in_flight_cap - c.n < v_room.free;
  select v_rail.retired or coalesce(bool_or(h.scope = 'GLOBAL' or h.rail = p_rail), false),
    coalesce(array_agg(h.participant_id) filter (where h.scope = 'PARTICIPANT' and h.direction in ('SEND', 'BOTH')), '{}'),
    coalesce(array_agg(h.participant_id) filter (where h.scope = 'PARTICIPANT' and h.direction in ('RECEIVE', 'BOTH')), '{}')
  into v_room.dispatch_halted, v_room.halted_senders, v_room.halted_receivers
  from policy.list_halts() as h;

  v_room.lease := v_rail.lease_ms * interval '1 millisecond';
  v_room.cursor_due_at := case when v_gate.full_scan_at between v_now - interval '1 second' and v_now then v_gate.cursor_due_at else '-infinity' end;
  return v_room;
end
$$;
alter function outbox.open_claim_gate(text, integer) owner to symphony_outbox_owner;
revoke all on function outbox.open_claim_gate(text, integer) from public;
comment on function outbox.open_claim_gate(text, integer) is
$$Takes the claim gate and says what a claim may take: room under the caps, halts, and where the live end of the queue begins.
Callers: outbox.claim_outbox_batch. Writes: claim_gate. Locks: the claim_gate row «*» until commit. Raises: SN401 rail not in the policy, SV003, SX004, SX402. Idempotent: no.$$;
