create or replace function policy.static_reasons(p_version integer, p_payments policy.payment[]) returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_cell core.cell := core.get_cell();
  v_halts policy.halts_in_force[] := array(select h from policy.halts_in_force as h);
begin
  return array(
    select case
      when s.participant_id is null then 'PARTICIPANT_UNKNOWN'
      when s.home_cell_id <> v_cell.cell_id or s.home_cell_epoch <> v_cell.epoch then 'CELL_NOT_HOME'
      when s.status not in ('ACTIVE', 'SEND_ONLY') then 'PARTICIPANT_NOT_SENDING'
      when cardinality(v_halts) > 0 and policy.halt_reason(v_halts, p.rail, p.participant_id, p.creditor_participant_id) is not null
        then policy.halt_reason(v_halts, p.rail, p.participant_id, p.creditor_participant_id)
      when a.rail is null then 'RAIL_NOT_ALLOWED'
      when p.creditor_participant_id is not null and r.participant_id is null then 'CREDITOR_PARTICIPANT_UNKNOWN'
      when r.status not in ('ACTIVE', 'RECEIVE_ONLY') then 'CREDITOR_NOT_RECEIVING'
      when l.currency is null or c.currency is null then 'CURRENCY_NOT_ALLOWED'
      when p.amount_minor > l.transaction_max_minor then 'LIMIT_TRANSACTION'
    end
    from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
    left join policy.participants as s on s.policy_version = p_version and s.participant_id = p.participant_id
    left join policy.participant_rails as a on a.policy_version = p_version and a.participant_id = p.participant_id and a.rail = p.rail
    left join policy.participants as r on r.policy_version = p_version and r.participant_id = p.creditor_participant_id
    left join policy.participant_limits as l
      on l.policy_version = p_version and l.participant_id = p.participant_id and l.currency = p.currency
    left join policy.rail_currencies as c on c.policy_version = p_version and c.rail = p.rail and c.currency = p.currency
    order by p.n);
end
$$;
alter function policy.static_reasons(integer, policy.payment[]) owner to symphony_policy_owner;
revoke all on function policy.static_reasons(integer, policy.payment[]) from public;
comment on function policy.static_reasons(integer, policy.payment[]) is
$$The first failing rule of each payment, or null, before any usage is counted. Order: PARTICIPANT_UNKNOWN, CELL_NOT_HOME, PARTICIPANT_NOT_SENDING, HALTED_*, RAIL_NOT_ALLOWED, CREDITOR_PARTICIPANT_UNKNOWN, CREDITOR_NOT_RECEIVING, CURRENCY_NOT_ALLOWED, LIMIT_TRANSACTION.
Callers: policy.decide. Writes: nothing. Locks: none. Raises: SX003 before the cell is established. Idempotent: yes.$$;
