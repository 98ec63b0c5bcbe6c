create or replace function outbox.await_aliases(p_intents outbox.intent[], p_answers outbox.alias_answer[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_token uuid := gen_random_uuid();
  v_waiting proxy.awaiting[];
  v_asked proxy.awaiting[];
  v_answers outbox.alias_answer[];
begin
  if cardinality(p_intents) = 0 then
    return;
  end if;
  select array_agg(w.awaiting) filter (where not w.resolved), array_agg(w.awaiting) filter (where w.resolved),
    array_agg(row(w.participant_id, w.outbox_id, v_token, a.proxy_hash, a.hash_key_id, null, a.status, null, a.beneficiary_participant_id, a.beneficiary,
      a.sealed_beneficiary, a.source, a.source_version, a.response_sha256, a.latency_us)::outbox.alias_answer) filter (where w.resolved)
  into v_waiting, v_asked, v_answers
  from (
    select i.participant_id, i.outbox_id, i.item_no, (p_answers[i.item_no]).status is not distinct from 'RESOLVED' as resolved,
      row(i.participant_id, i.outbox_id, i.parties::jsonb #>> '{creditor,alias,type}', i.received_at)::proxy.awaiting as awaiting
    from unnest(p_intents) as i) as w
  left join unnest(p_answers) with ordinality as a(participant_id, outbox_id, lease_token, proxy_hash, hash_key_id, cached_hash, status, reason_code,
    beneficiary_participant_id, beneficiary, sealed_beneficiary, source, source_version, response_sha256, latency_us, n) on a.n = w.item_no;
  if v_waiting is not null then
    perform proxy.await_resolutions(p_awaiting => v_waiting);
  end if;
  if v_asked is not null then
    perform proxy.await_resolutions(p_awaiting => v_asked, p_worker => 'ingress', p_lease_token => v_token);
    perform outbox.record_resolutions(p_worker => 'ingress', p_answers => v_answers);
  end if;
end
$$;
alter function outbox.await_aliases(outbox.intent[], outbox.alias_answer[]) owner to symphony_outbox_owner;
revoke all on function outbox.await_aliases(outbox.intent[], outbox.alias_answer[]) from public;
comment on function outbox.await_aliases(outbox.intent[], outbox.alias_answer[]) is
$$Queues the aliases of new instructions for the resolvers; those that the ingress has had answered (policy SYNC) are recorded and admitted at once, on the same path.
Callers: outbox.enqueue_answered. Writes: resolution_queue through its owner; as outbox.record_resolutions. Locks: as outbox.record_resolutions. Raises: as outbox.record_resolutions. Idempotent: no.$$;
