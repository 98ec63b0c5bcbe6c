create or replace function outbox.record_resolutions(p_worker text, p_answers outbox.alias_answer[])
returns table (participant_id text, outbox_id uuid, lease_token uuid, outcome text, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_mergejoin = off
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_resolutions proxy.resolution[];
  v_recorded proxy.recorded_resolution[];
  v_reasons text[];
  v_beneficiaries text[];
  v_receivers text[];
  v_known outbox.known_alias[];
  v_bare integer;
  v_partial integer;
begin
  perform core.require_session();
  perform outbox.check_worker_call(p_worker => p_worker, p_items => cardinality(p_answers));

  -- 1. The answers as the ledger may know them: a salted commitment instead of the beneficiary, nothing unreadable, no bare hash.
  select array_agg(row(a.participant_id, a.outbox_id, a.lease_token, a.alias ->> 'type', a.proxy_hash, a.hash_key_id, a.cached_hash,
      case when a.usable then a.status else 'TEMP_UNAVAILABLE' end::proxy.resolution_status, case when a.usable then a.reason_code else 'PROXY_ANSWER_UNUSABLE' end,
      case when a.resolved then a.beneficiary_participant_id end, case when a.resolved then sha256(a.salt || convert_to(a.beneficiary, 'UTF8')) end,
      case when a.resolved and a.creditor_participant_id is null then a.sealed_beneficiary end, a.source, a.source_version, a.response_sha256, a.latency_us)::proxy.resolution),
    array_agg(row(a.participant_id, a.outbox_id, a.parties, a.earlier, a.creditor_participant_id, a.beneficiary)::outbox.known_alias),
    count(*) filter (where a.proxy_hash in (sha256(convert_to(a.alias ->> 'value', 'UTF8')), sha256(convert_to(lower(a.alias ->> 'value'), 'UTF8')),
      sha256(convert_to(a.digits, 'UTF8')), sha256(convert_to('+' || a.digits, 'UTF8')), sha256(convert_to('proxy:' || (a.alias ->> 'type') || ':+' || a.digits, 'UTF8')),
      sha256(convert_to('proxy:' || (a.alias ->> 'type') || ':' || lower(a.alias ->> 'value'), 'UTF8')))),
    count(*) filter (where not a.whole)
  into v_resolutions, v_known, v_bare, v_partial
  from outbox.list_alias_answers(p_answers => p_answers) as a;
  if v_bare > 0 then
    perform core.raise_error('SX403', jsonb_build_object('items', v_bare));
  end if;
  if v_partial > 0 then
    perform core.raise_error('SV301', jsonb_build_object('items', v_partial));
  end if;

  -- 2. The ledger, fenced: what is not returned was not the worker's any more.
  v_recorded := array(select r from proxy.record_proxy_resolutions(p_worker => p_worker, p_resolutions => v_resolutions) as r);

  -- 3. Whom the payer, an earlier answer and the policy allow. Only arrays are joined here: by hash, for a thousand squared is long.
  v_receivers := policy.list_receivers(p_participant_ids => array(select r.beneficiary_participant_id from unnest(v_recorded) as r));
  select array_agg(case when r.outcome = 'ADMIT' then outbox.alias_target_reason(a.parties, a.creditor_participant_id, a.earlier, a.beneficiary,
      r.beneficiary_participant_id, r.beneficiary_participant_id = any (v_receivers)) else r.reason_code end order by r.n), array_agg(a.beneficiary order by r.n)
    into v_reasons, v_beneficiaries
    from unnest(v_recorded) with ordinality as r(participant_id, outbox_id, lease_token, outcome, reason_code, resolution_id, expires_at,
      beneficiary_participant_id, observed_at, source, source_version, response_sha256, n)
    left join unnest(v_known) as a on a.participant_id = r.participant_id and a.outbox_id = r.outbox_id;

  -- 4. Into the queue, or void.
  perform outbox.admit_resolutions(p_worker => p_worker, p_recorded => v_recorded, p_reasons => v_reasons, p_beneficiaries => v_beneficiaries);

  -- 5. The cache last: its rows are the only ones here that other batches may wait for.
  perform proxy.note_answers(p_resolutions => v_resolutions, p_recorded => v_recorded);
  return query
  select r.participant_id, r.outbox_id, r.lease_token,
    case r.outcome when 'ADMIT' then case when r.refused is null then 'RESOLVED' else 'VOIDED' end when 'REFUSE' then 'VOIDED' else r.outcome end, r.refused
  from unnest(v_recorded, v_reasons) as r(participant_id, outbox_id, lease_token, outcome, reason_code, resolution_id, expires_at,
    beneficiary_participant_id, observed_at, source, source_version, response_sha256, refused);
end
$$;
alter function outbox.record_resolutions(text, outbox.alias_answer[]) owner to symphony_outbox_owner;
revoke all on function outbox.record_resolutions(text, outbox.alias_answer[]) from public;
comment on function outbox.record_resolutions(text, outbox.alias_answer[]) is
$$Records what was said of leased aliases and what follows, in one transaction: RESOLVED (due for dispatch, the beneficiary beside the parties), VOIDED with a case (nobody, revoked, somebody else than named or than before), RETRY, STALE (ask again). An answer without a returned row came too late: nothing was written for it.
Callers: symphony_resolver, outbox.await_aliases. Writes: payment_outbox_pending, instruction_parties, payment_outbox_attempts; proxy_resolutions, resolution_queue, proxy_resolution_current, miss_counts, limit_usage, cases through their owners. Locks: resolution_queue rows, miss rows, pending rows, usage rows, cache rows, in this order and each sorted. Raises: SV401, SV402, SV003, SX004, SX403 a hash that needs no key, SV301 without a hash, its key's id or a source. Idempotent: yes: a repeated answer finds no lease.$$;
