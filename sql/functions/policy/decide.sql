create or replace function policy.decide(p_payments policy.payment[]) returns table (item_no integer, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_policy record;
  v_reasons text[];
  v_over text[];
begin
  select a.policy_version, a.limit_day into v_policy from policy.get_active() as a;
  v_reasons := policy.static_reasons(p_version => v_policy.policy_version, p_payments => p_payments);

  -- A participant's items of one currency pass together when their sum fits. Sorted: the lock order of usage rows.
  with wanted as (
    select p.participant_id, p.currency, sum(p.amount_minor)::bigint as value_minor, count(*) as item_count
    from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
    where v_reasons[p.n] is null
    group by p.participant_id, p.currency
  ), taken as (
    insert into policy.limit_usage as u (participant_id, limit_day, currency, value_minor, item_count)
    select w.participant_id, v_policy.limit_day, w.currency, w.value_minor, w.item_count
    from wanted as w
    join policy.participant_limits as l
      on l.policy_version = v_policy.policy_version and l.participant_id = w.participant_id and l.currency = w.currency
    where w.value_minor <= l.day_value_max_minor and w.item_count <= l.day_count_max
    order by w.participant_id, w.currency
    on conflict (participant_id, limit_day, currency) do update
    set value_minor = u.value_minor + excluded.value_minor, item_count = u.item_count + excluded.item_count
    where exists (
      select from policy.participant_limits as l
      where l.policy_version = v_policy.policy_version and l.participant_id = u.participant_id and l.currency = u.currency
        and u.value_minor + excluded.value_minor <= l.day_value_max_minor
        and u.item_count + excluded.item_count <= l.day_count_max)
    returning u.participant_id, u.currency
  )
  select array_agg(w.participant_id || ' ' || w.currency) into v_over
  from wanted as w
  where not exists (select from taken as t where t.participant_id = w.participant_id and t.currency = w.currency);

  if v_over is not null then
    v_reasons := policy.admit_in_order(p_version => v_policy.policy_version, p_limit_day => v_policy.limit_day,
      p_payments => p_payments, p_reasons => v_reasons, p_over => v_over);
  end if;

  return query
  select p.item_no, v_reasons[p.n]
  from unnest(p_payments) with ordinality as p(item_no, participant_id, rail, currency, amount_minor, creditor_participant_id, n)
  where v_reasons[p.n] is not null;
end
$$;
alter function policy.decide(policy.payment[]) owner to symphony_policy_owner;
revoke all on function policy.decide(policy.payment[]) from public;
comment on function policy.decide(policy.payment[]) is
$$Decides payments against the ACTIVE policy and the halts in force, and takes the day usage of those it lets pass. Returns only the refused, each with the first failing rule in the order of policy.static_reasons, then LIMIT_DAY_COUNT, LIMIT_DAY_VALUE.
Callers: ingress.accept, outbox.enqueue_payment_outbox. Writes: limit_usage. Locks: usage rows, sorted by participant and currency. Raises: nothing. Idempotent: no.$$;
