create or replace function ingress.use_proofs(p_items ingress.item[], p_proofs ingress.proof[], p_reasons text[], p_rule ingress.proof_rules) returns text[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now bigint := extract(epoch from core.now());
  v_cell text := (core.get_cell()).cell_id;
  v_closed bigint := (select h.closed_bucket from ingress.replay_horizon as h);
  v_reasons text[] := p_reasons;
  v_new integer;
  v_items integer[];
  v_kinds text[];
  v_slots smallint[];
  v_besides smallint[];
  v_keys uuid[];
  v_requests uuid[];
  v_seen bigint[];
  r record;
begin
  -- Outside the ring: what its slot may have forgotten, or could not yet tell from an older turn.
  select array_agg(case
    when u.reject_reason is not null or v_reasons[u.n] is not null then v_reasons[u.n]
    when least(u.token_exp, u.dpop_iat, u.signature_created) / 600 <= v_closed
      or greatest(u.token_exp, u.dpop_iat, u.signature_created) > v_now + 1200
      or u.token_exp < v_now - 60 or least(u.dpop_iat, u.signature_created) < v_now - 360 then 'PROOF_EXPIRED'
    end order by u.n)
  into v_reasons
  from unnest(p_items, p_proofs) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason,
    token_exp, dpop_jkt, dpop_jti_sha256, dpop_iat, signature_nonce_sha256, signature_created, n);

  select array_agg(k.n), array_agg(k.kind), array_agg((k.signed_at / 600 % 8)::smallint), array_agg(case k.kind when 'DPOP' then
      nullif((k.signed_at + 90) / 600 + (k.signed_at - 90) / 600 - k.signed_at / 600, k.signed_at / 600) % 8 end::smallint),
    array_agg(k.seen_key), array_agg(k.correlation_id)
  into v_items, v_kinds, v_slots, v_besides, v_keys, v_requests
  from (
    select u.n, v.kind, v.signed_at, u.correlation_id,
      encode(substr(sha256(convert_to(array_to_json(array[v.kind, v_cell] || v.parts)::text, 'UTF8')), 1, 16), 'hex')::uuid as seen_key
    from unnest(p_items, p_proofs) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason,
      token_exp, dpop_jkt, dpop_jti_sha256, dpop_iat, signature_nonce_sha256, signature_created, n)
    cross join lateral (values
      ('TOKEN', u.token_exp, array[u.token_iss, u.client_id, encode(u.token_jti_sha256, 'hex')],
        case u.pop_mode when 'MTLS' then p_rule.mtls_token_use else p_rule.dpop_token_use end = 'single_use'),
      ('DPOP', u.dpop_iat, array[encode(u.dpop_jkt, 'hex'), encode(u.dpop_jti_sha256, 'hex')], u.pop_mode <> 'MTLS'),
      ('SIGNATURE', u.signature_created, array[u.signature_key_id, encode(u.signature_nonce_sha256, 'hex')],
        u.signature_nonce_sha256 is not null)) as v(kind, signed_at, parts, is_used)
    where v.is_used and u.reject_reason is null and v_reasons[u.n] is null
    order by seen_key, u.n) as k; -- one order for everybody, so that two batches never wait for each other

  insert into ingress.seen_jti (slot, seen_key, correlation_id)
  select u.slot, u.seen_key, u.correlation_id from unnest(v_slots, v_keys, v_requests) as u(slot, seen_key, correlation_id)
  on conflict do nothing;
  get diagnostics v_new = row_count;
  if (select h.closed_bucket from ingress.replay_horizon as h) > v_closed then -- a slot was emptied while the insert waited: judge again
    return ingress.use_proofs(p_items => p_items, p_proofs => p_proofs, p_reasons => p_reasons, p_rule => p_rule);
  end if;
  if v_new < cardinality(v_keys) or array_remove(v_besides, null) <> '{}' then
    -- A new statement, so that it sees what others committed while the insert waited. Kept by another request: used before.
    v_seen := ingress.find_seen(p_slots => v_slots, p_besides => v_besides, p_keys => v_keys, p_requests => v_requests);
    for r in
      select u.n, min(u.kind) as kind from unnest(v_items, v_kinds) with ordinality as u(n, kind, place)
      where u.place = any (v_seen) group by u.n
    loop
      v_reasons[r.n] := r.kind || '_REPLAYED';
    end loop;
  end if;
  return v_reasons;
end
$$;
alter function ingress.use_proofs(ingress.item[], ingress.proof[], text[], ingress.proof_rules) owner to symphony_ingress_owner;
revoke all on function ingress.use_proofs(ingress.item[], ingress.proof[], text[], ingress.proof_rules) from public;
comment on function ingress.use_proofs(ingress.item[], ingress.proof[], text[], ingress.proof_rules) is
$$Uses up what may be used once, and tells what was used before: the token (where the rule says single_use), the DPoP proof (same jti and key, also across the edge of its slot as far as it was recorded), the signature's nonce. Items of one request share their proofs. A second transaction waits for the first; if that rolls back, nothing was used.
Callers: ingress.refuse_unproven. Writes: seen_jti. Locks: keys, sorted, to the end of the transaction, and the slots they are in, no other. Raises: SX003. Idempotent: no.$$;
