create or replace function policy.release_usage(p_usages policy.usage[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  perform from policy.limit_usage as u
  where (u.participant_id, u.limit_day, u.currency) in (select g.participant_id, g.limit_day, g.currency from unnest(p_usages) as g)
  order by u.participant_id, u.limit_day, u.currency
  for update;
  update policy.limit_usage as u
  set value_minor = u.value_minor - g.value_minor, item_count = u.item_count - g.item_count
  from (
    select x.participant_id, x.limit_day, x.currency, sum(x.amount_minor)::bigint as value_minor, count(*) as item_count
    from unnest(p_usages) as x
    group by x.participant_id, x.limit_day, x.currency) as g
  where u.participant_id = g.participant_id and u.limit_day = g.limit_day and u.currency = g.currency;
end
$$;
alter function policy.release_usage(policy.usage[]) owner to symphony_policy_owner;
revoke all on function policy.release_usage(policy.usage[]) from public;
comment on function policy.release_usage(policy.usage[]) is
$$Gives back the day usage of instructions that ended without being executed, in the transaction that writes their terminal row.
Callers: outbox.follow_up. Writes: limit_usage. Locks: usage rows, sorted. Raises: 23514 (limit_usage_is_never_negative) if more were given back than taken. Idempotent: no.$$;
