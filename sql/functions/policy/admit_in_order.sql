create or replace function policy.admit_in_order(
  p_version integer, p_limit_day date, p_payments policy.payment[], p_reasons text[], p_over text[]) returns text[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_reasons text[] := p_reasons;
  v_reason text;
  r record;
begin
  -- A loop, because whether an item fits depends on which earlier ones did; only for groups that do not fit whole.
  for r in
    select p.n, p.participant_id, p.currency, p.amount_minor, l.day_value_max_minor, l.day_count_max
    from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
    join policy.participant_limits as l
      on l.policy_version = p_version and l.participant_id = p.participant_id and l.currency = p.currency
    where p_reasons[p.n] is null and p.participant_id || ' ' || p.currency = any (p_over)
    order by p.participant_id, p.currency, p.n
  loop
    insert into policy.limit_usage as u (participant_id, limit_day, currency, value_minor, item_count)
    values (r.participant_id, p_limit_day, r.currency, 0, 0) on conflict do nothing;
    update policy.limit_usage as u
    set value_minor = u.value_minor + r.amount_minor, item_count = u.item_count + 1
    where u.participant_id = r.participant_id and u.limit_day = p_limit_day and u.currency = r.currency
      and u.item_count < r.day_count_max and u.value_minor <= r.day_value_max_minor - r.amount_minor;
    if not found then
      select case when u.item_count >= r.day_count_max then 'LIMIT_DAY_COUNT' else 'LIMIT_DAY_VALUE' end into v_reason
      from policy.limit_usage as u
      where u.participant_id = r.participant_id and u.limit_day = p_limit_day and u.currency = r.currency;
      v_reasons[r.n] := v_reason;
    end if;
  end loop;
  return v_reasons;
end
$$;
alter function policy.admit_in_order(integer, date, policy.payment[], text[], text[]) owner to symphony_policy_owner;
revoke all on function policy.admit_in_order(integer, date, policy.payment[], text[], text[]) from public;
comment on function policy.admit_in_order(integer, date, policy.payment[], text[], text[]) is
$$Day limits, item by item in batch order, for the participant-currency groups that do not fit as a whole.
Callers: policy.decide. Writes: limit_usage. Locks: usage rows, sorted. Raises: nothing. Idempotent: no.$$;
