create or replace function ingress.alias_reasons(p_intents outbox.intent[], p_reasons text[], p_recorded outbox.recorded[], p_answers outbox.alias_answer[])
returns text[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_senders text[] := array(select distinct i.participant_id from unnest(p_intents) as i where i.requires_proxy and p_reasons[i.item_no] is null);
  v_throttled text[] := proxy.list_throttled(p_participant_ids => v_senders);
  v_receivers text[] := policy.list_receivers(p_participant_ids => array(select a.beneficiary_participant_id from unnest(p_answers) as a));
  v_reasons text[];
begin
  select array_agg(case when i.requires_proxy and p_reasons[i.item_no] is null and p_recorded[i.item_no] is null then
      case when r.mode = 'REFUSE' then 'PROXY_REFUSED_BY_POLICY'
        when i.participant_id = any (v_throttled) then 'PROXY_THROTTLED'
        when a.status is null then null
        when a.status = 'TEMP_UNAVAILABLE' then 'PROXY_REGISTRY_UNAVAILABLE'
        when a.status <> 'RESOLVED' then coalesce(a.reason_code, 'PROXY_REGISTRY_UNAVAILABLE')
        when not outbox.is_beneficiary(a.beneficiary) or coalesce(octet_length(a.response_sha256), 0) <> 32
          or coalesce(octet_length(a.sealed_beneficiary), 0) not between 1 and 4096 then 'PROXY_REGISTRY_UNAVAILABLE'
        else outbox.alias_target_reason(i.parties, i.creditor_participant_id, null, a.beneficiary, a.beneficiary_participant_id,
          a.beneficiary_participant_id = any (v_receivers)) end
      else p_reasons[i.item_no] end order by i.item_no)
  into v_reasons
  from unnest(p_intents) as i
  left join policy.list_proxy_rules(p_participant_ids => v_senders) as r on r.participant_id = i.participant_id
  cross join lateral (select (p_answers[i.item_no]).*) as a;
  -- A registry that was asked inside the request answers guesses too; what it said is evidence, though no instruction is recorded.
  perform proxy.count_misses(p_participant_ids => array(
    select i.participant_id from unnest(p_intents) as i
    where p_reasons[i.item_no] is null and v_reasons[i.item_no] in ('PROXY_NOT_FOUND', 'PROXY_INVALID', 'PROXY_REVOKED', 'PROXY_AMBIGUOUS')));
  perform evidence.record_event(p_kind => 'PROXY_ANSWER_REFUSED', p_actor => 'ingress', p_participant_id => i.participant_id,
    p_facts => jsonb_build_object('attestation_id', i.attestation_id, 'status', a.status, 'reason_code', v_reasons[i.item_no], 'source', a.source,
      'source_version', a.source_version, 'hash_key_id', a.hash_key_id, 'proxy_hash', encode(a.proxy_hash, 'hex'),
      'response_sha256', encode(a.response_sha256, 'hex')))
  from unnest(p_intents) as i
  cross join lateral (select (p_answers[i.item_no]).*) as a
  where p_reasons[i.item_no] is null and v_reasons[i.item_no] not in ('PROXY_THROTTLED', 'PROXY_REFUSED_BY_POLICY') and a.status <> 'TEMP_UNAVAILABLE';
  return v_reasons;
end
$$;
alter function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) owner to symphony_ingress_owner;
revoke all on function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) from public;
comment on function ingress.alias_reasons(outbox.intent[], text[], outbox.recorded[], outbox.alias_answer[]) is
$$The reasons so far, with those of new instructions whose alias may not be used: PROXY_REFUSED_BY_POLICY, PROXY_THROTTLED, and what the registry said where the ingress asked it within the request: nobody, or somebody whom the payer, the policy or the form of the answer does not allow. Such an answer is an evidence event. What was recorded before is not asked about.
Callers: ingress.decide_answered. Writes: miss_counts, evidence_events through their owners. Locks: miss rows, sorted. Raises: nothing. Idempotent: no.$$;
