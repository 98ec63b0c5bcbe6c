create or replace function policy.decide(p_policy_version integer, p_limit_day date, p_payments policy.payment[])
returns table (item_no integer, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_reasons text[];
  v_over text[];
begin
  v_reasons := policy.static_reasons(p_version => p_policy_version, p_payments => p_payments);

  -- A participant's items of one currency pass together when their sum fits. Sorted: the lock order of usage rows.
  with wanted as (
    select p.participant_id, p.currency, sum(p.amount_minor)::bigint as value_minor, count(*) as item_count,
      (sum(p.amount_minor) <= max(l.day_value_max_minor) and count(*) <= max(l.day_count_max))::integer as fits_alone
    from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
    join policy.participant_limits as l
      on l.policy_version = p_policy_version and l.participant_id = p.participant_id and l.currency = p.currency
    where v_reasons[p.n] is null
    group by p.participant_id, p.currency
  ), taken as (
    insert into policy.limit_usage as u (participant_id, limit_day, currency, value_minor, item_count)
    -- A group too large by itself takes nothing yet, but its row's lock, so that all locks are taken in order here.
    select w.participant_id, p_limit_day, w.currency, w.value_minor * w.fits_alone, w.item_count * w.fits_alone
    from wanted as w
    order by w.participant_id, w.currency
    on conflict (participant_id, limit_day, currency) do update
    set value_minor = u.value_minor + excluded.value_minor, item_count = u.item_count + excluded.item_count
    where exists (
      select from policy.participant_limits as l
      where l.policy_version = p_policy_version and l.participant_id = u.participant_id and l.currency = u.currency
        and u.value_minor + excluded.value_minor <= l.day_value_max_minor
        and u.item_count + excluded.item_count <= l.day_count_max)
    returning u.participant_id, u.currency
  )
  select array_agg(w.participant_id || ' ' || w.currency) into v_over
  from wanted as w
  where w.fits_alone = 0
    or not exists (select from taken as t where t.participant_id = w.participant_id and t.currency = w.currency);

  if v_over is not null then
    v_reasons := policy.admit_in_order(p_version => p_policy_version, p_limit_day => p_limit_day,
      p_payments => p_payments, p_reasons => v_reasons, p_over => v_over);
  end if;

  return query
  select p.item_no, v_reasons[p.n]
  from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
  where v_reasons[p.n] is not null;
end
$$;
alter function policy.decide(integer, date, policy.payment[]) owner to symphony_policy_owner;
revoke all on function policy.decide(integer, date, policy.payment[]) from public;
comment on function policy.decide(integer, date, policy.payment[]) is
$$Decides payments against a policy version and the halts in force, and takes the day usage of those it lets pass. Returns only the refused, each with the first failing rule in the order of policy.static_reasons, then LIMIT_DAY_COUNT, LIMIT_DAY_VALUE.
Callers: ingress.accept, outbox.enqueue_payment_outbox. Writes: limit_usage. Locks: usage rows, sorted by participant and currency. Raises: SX003 before the cell is established. Idempotent: no.$$;
