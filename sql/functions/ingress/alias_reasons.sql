create or replace function ingress.alias_reasons(p_intents outbox.intent[], p_reasons text[], p_recorded outbox.recorded[], p_answers outbox.alias_answer[])
returns text[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_senders text[] := array(select distinct i.participant_id from unnest(p_intents) as i where i.requires_proxy and p_reasons[i.item_no] is null);
  v_throttled text[] := proxy.list_throttled(p_participant_ids => v_senders);
  v_reasons text[];
begin
  select array_agg(case when i.requires_proxy and p_reasons[i.item_no] is null and p_recorded[i.item_no] is null then
      case when r.mode = 'REFUSE' then 'PROXY_REFUSED_BY_POLICY'
        when i.participant_id = any (v_throttled) then 'PROXY_THROTTLED'
        when (p_answers[i.item_no]).status = 'TEMP_UNAVAILABLE' then 'PROXY_REGISTRY_UNAVAILABLE'
        when (p_answers[i.item_no]).status <> 'RESOLVED' then (p_answers[i.item_no]).reason_code end
      else p_reasons[i.item_no] end order by i.item_no)
  into v_reasons
  from unnest(p_intents) as i
  left join policy.list_proxy_rules(p_participant_ids => v_senders) as r on r.participant_id = i.participant_id;
  -- A registry that was asked inside the request answers guesses too.
  perform proxy.count_misses(p_participant_ids => array(
    select i.participant_id from unnest(p_intents) as i
    where p_reasons[i.item_no] is null and v_reasons[i.item_no] in ('PROXY_NOT_FOUND', 'PROXY_INVALID', 'PROXY_REVOKED', 'PROXY_AMBIGUOUS')));
  return v_reasons;
end
$$;
alter function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) owner to symphony_ingress_owner;
revoke all on function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) from public;
comment on function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) is
$$The reasons so far, with those of new instructions whose alias may not be used: PROXY_REFUSED_BY_POLICY, PROXY_THROTTLED, and what the registry said where the ingress asked it within the request. What was recorded before is not asked about.
Callers: ingress.decide_answered. Writes: miss_counts through their owner. Locks: miss rows, sorted. Raises: nothing. Idempotent: no.$$;
