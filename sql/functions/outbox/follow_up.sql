create or replace function outbox.follow_up(p_outcomes outbox.outcome[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_usages policy.usage[];
  v_cases evidence.new_case[];
  v_unresolved evidence.new_case[];
begin
  select array_agg(row(o.participant_id, o.limit_day, o.currency, o.amount_minor)::policy.usage) into v_usages
  from unnest(p_outcomes) as o
  where o.outcome in ('FAILED', 'VOIDED');
  if v_usages is not null then
    perform policy.release_usage(p_usages => v_usages);
  end if;

  select array_agg(row(o.participant_id,
      case when o.reason_code = 'RAIL_ECHO_MISMATCH' then 'RAIL_ECHO_MISMATCH' else 'OUTCOME_UNCERTAIN' end, o.outbox_id,
      jsonb_build_object('outcome', o.outcome, 'reason_code', o.reason_code) || coalesce(o.facts, '{}'),
      case when o.reason_code = 'RAIL_ECHO_MISMATCH'
        then 'Compare the rail''s statement with the instruction; decide with two identities.'
        else 'Ask the rail by our reference out of band; decide with two identities. Never send the same instruction again.' end
    )::evidence.new_case) into v_cases
  from unnest(p_outcomes) as o
  where o.outcome = 'PENDING_MANUAL' or o.reason_code = 'RAIL_ECHO_MISMATCH';
  if v_cases is not null then
    perform evidence.open_cases(p_cases => v_cases);
  end if;

  select array_agg(row(o.participant_id, case when o.reason_code = 'PROXY_TARGET_CHANGED' then o.reason_code else 'PROXY_UNRESOLVED' end, o.outbox_id,
      jsonb_build_object('outcome', o.outcome, 'reason_code', o.reason_code) || coalesce(o.facts, '{}'),
      case when o.facts ? 'waited' then 'Find out why its alias had no answer in time; new instruction.' else n.next_action end)::evidence.new_case) into v_unresolved
  from unnest(p_outcomes) as o
  join core.next_actions(p_reason_codes => array(select o.reason_code from unnest(p_outcomes) as o where o.reason_code like 'PROXY\_%')) as n
    on n.reason_code = o.reason_code
  where o.outcome = 'VOIDED';
  if v_unresolved is not null then
    perform evidence.open_cases(p_cases => v_unresolved);
  end if;
end
$$;
alter function outbox.follow_up(outbox.outcome[]) owner to symphony_outbox_owner;
revoke all on function outbox.follow_up(outbox.outcome[]) from public;
comment on function outbox.follow_up(outbox.outcome[]) is
$$What an outcome entails in the same transaction: day usage given back (FAILED, VOIDED), cases opened (PENDING_MANUAL, echo mismatch, an alias that stands for nobody or for somebody else).
Callers: outbox.complete_outbox_attempts, outbox.repair_expired_leases, outbox.void_unresolved. Writes: limit_usage, cases, through their owners. Locks: usage rows. Raises: 23514 as policy.release_usage. Idempotent: no.$$;
