create or replace function outbox.claim_outbox_batch(p_worker text, p_limit integer, p_rail text, p_lease interval default null)
returns table (
  participant_id text, outbox_id uuid, sequence_id bigint, instruction_id text, rail text, action outbox.next_action,
  attempt_no integer, lease_token uuid, lease_expires_at timestamptz, claimed_at timestamptz, accepted_at timestamptz,
  due_at timestamptz, amount_minor bigint, currency text, creditor_participant_id text, end_to_end_id text, purpose text,
  uetr uuid, parties text, salt bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_material = off
set enable_sort = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz;
  v_now_us text;
  v_expires timestamptz;
  v_token uuid := gen_random_uuid();
  v_room outbox.claim_room;
begin
  perform outbox.check_worker_call(p_worker => p_worker, p_items => p_limit, p_lease => coalesce(p_lease, '1 minute'));
  v_room := outbox.open_claim_gate(p_rail => p_rail, p_limit => p_limit);
  v_now := core.now();
  v_expires := v_now + coalesce(p_lease, v_room.lease);
  v_now_us := core.epoch_us(v_now);

  return query
  with due as materialized (
    -- MATERIALIZED, because LIMIT ... FOR UPDATE SKIP LOCKED inside a join is not a limit.
    select p.ctid as place, p.participant_id, p.due_at, p.next_action
    from outbox.payment_outbox_pending as p
    where p.rail = p_rail and p.due_at <= v_now and p.due_at >= v_room.cursor_due_at
      and p.participant_id <> all (v_room.full_participants)
      and (p.next_action = 'ENQUIRE' or (not v_room.dispatch_halted and p.participant_id <> all (v_room.halted_senders)
        and (not p.requires_proxy or p.resolved_until > v_now) -- nobody is paid whom the alias does not stand for now
        and coalesce(p.creditor_participant_id, '') <> all (v_room.halted_receivers)))
    order by p.due_at
    limit v_room.free
    for update skip locked
  ), within_caps as materialized (
    select d.place
    from (select d.*, row_number() over (partition by d.participant_id order by d.due_at) as n from due as d) as d
    where d.n <= coalesce(v_room.participant_free[array_position(v_room.participant_ids, d.participant_id)], v_room.free)
  ), taken as (
    delete from outbox.payment_outbox_pending as p
    where p.ctid = any (array(select w.place from within_caps as w))
    returning p.*
  ), leased as (
    insert into outbox.payment_outbox_in_flight (participant_id, outbox_id, sequence_id, parent_attestation_id, rail,
      creditor_participant_id, currency, amount_minor, limit_day, created_at, last_sent_at, next_action, attempt_no,
      retries_used, enquiries_used, entry_no, acceptance_seen, requires_proxy, resolution_id, resolved_until, claimed_by, claimed_at, lease_token, lease_expires_at)
    select t.participant_id, t.outbox_id, t.sequence_id, t.parent_attestation_id, t.rail, t.creditor_participant_id,
      t.currency, t.amount_minor, t.limit_day, t.created_at, t.last_sent_at, t.next_action,
      t.attempt_no + (t.next_action = 'DISPATCH')::integer, t.retries_used, t.enquiries_used,
      t.entry_no + (t.next_action = 'DISPATCH')::integer, t.acceptance_seen, t.requires_proxy, t.resolution_id, t.resolved_until, p_worker, v_now, v_token, v_expires
    from taken as t
  ), attempt as (
    insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action,
      claimed_by, lease_token, rail, resolution_id, recorded_at, commitment)
    select t.participant_id, t.outbox_id, t.entry_no + 1, t.attempt_no + 1, 'DISPATCHING', 'DISPATCH', p_worker, v_token,
      t.rail, t.resolution_id, v_now, core.commitment(array['outbox.payment_outbox_attempts', t.participant_id, t.outbox_id::text,
        (t.entry_no + 1)::text, (t.attempt_no + 1)::text, 'DISPATCHING', 'DISPATCH', null, p_worker, v_token::text,
        t.rail, null, null, null, null, null, null, v_now_us] || case when t.resolution_id is not null then array[t.resolution_id::text] end)
    from taken as t
    where t.next_action = 'DISPATCH'
  ), cursor_moved as (
    -- A full batch leaves nothing due before its last row; anything else, and the next claim looks from the start.
    update outbox.claim_gate as g
    set cursor_due_at = case when d.n = v_room.free then coalesce(d.last_due_at, '-infinity') else '-infinity' end,
      full_scan_at = case when v_room.cursor_due_at = '-infinity' then v_now else g.full_scan_at end
    from (select count(*) as n, max(d.due_at) as last_due_at from due as d) as d
    where g.rail = p_rail
  )
  select t.participant_id, t.outbox_id, t.sequence_id, i.instruction_id, t.rail, t.next_action,
    t.attempt_no + (t.next_action = 'DISPATCH')::integer, v_token, v_expires, v_now, t.created_at, t.due_at, t.amount_minor, t.currency, t.creditor_participant_id, i.end_to_end_id, i.purpose, i.uetr, case when t.requires_proxy then outbox.paid_parties(y.parties, y.beneficiary) else y.parties end, y.salt
  from taken as t
  join outbox.payment_instructions as i on i.participant_id = t.participant_id and i.outbox_id = t.outbox_id
  join outbox.instruction_parties as y on y.participant_id = t.participant_id and y.outbox_id = t.outbox_id;
end
$$;
alter function outbox.claim_outbox_batch(text, integer, text, interval) owner to symphony_outbox_owner;
revoke all on function outbox.claim_outbox_batch(text, integer, text, interval) from public;
comment on function outbox.claim_outbox_batch(text, integer, text, interval) is
$$Leases up to p_limit due items of a rail, oldest due first, within the global, rail and participant caps; halted ones wait. salt goes into the hashes of rail messages, so that they fall silent when the parties are erased. A creditor named by alias is dispatched only while its resolution may be believed, and parties then say the resolved account. Without p_lease the policy's lease of the rail holds. Takes the queue row away, writes the lease and (for DISPATCH) the DISPATCHING row in the same statement.
Callers: symphony_executor. Writes: payment_outbox_pending, payment_outbox_in_flight, payment_outbox_attempts, claim_gate. Locks: the claim gate until commit (claims are one after another, so caps are exact), queue rows with SKIP LOCKED. Raises: SV401 p_limit not in 1..1000, SV402, SV403, SN401, SV003, SX004, SX402. Idempotent: no.$$;
