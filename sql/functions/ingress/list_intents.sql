create or replace function ingress.list_intents(p_items ingress.item[])
returns table (n integer, intent outbox.intent, reason text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select i.n::integer,
    row(i.n::integer, case when length(i.participant_id) between 1 and 32 then i.participant_id else '-' end, uuidv7(), uuidv7(), i.instruction_id, i.idempotency_key, i.rail,
      i.currency, i.amount_minor, i.creditor_participant_id, i.end_to_end_id, i.purpose, i.uetr, i.requires_proxy, i.parties,
      case when i.reason is null then outbox.payload_sha256(i.participant_id, i.instruction_id, i.rail, i.currency,
        i.amount_minor, i.creditor_participant_id, i.end_to_end_id, i.purpose, i.uetr, i.requires_proxy) end,
      i.received_at,
      i.reason is null and (
        row_number() over (partition by i.reason is null, i.participant_id, i.idempotency_key order by i.n) > 1
        or row_number() over (partition by i.reason is null, i.participant_id, i.instruction_id order by i.n) > 1)
    )::outbox.intent,
    i.reason
  from (  -- OFFSET 0: the reason is worked out once, not wherever it is used
    select u.*, ingress.form_reason(u.participant_id, u.instruction_id, u.idempotency_key, u.rail, u.currency, u.amount_minor,
      u.creditor_participant_id, u.end_to_end_id, u.purpose, u.requires_proxy, u.parties,
      octet_length(u.body_sha256) = 32 and coalesce(octet_length(u.cert_sha256), 32) = 32
        and coalesce(octet_length(u.token_jti_sha256), 32) = 32 and u.pop_mode in ('NONE', 'DEV_HEADER', 'MTLS', 'DPOP', 'MTLS_DPOP')
        and u.db_role is not null and u.correlation_id is not null and isfinite(u.received_at) and isfinite(u.verified_at),
      u.reject_reason) as reason
    from unnest(p_items) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason, n)
    offset 0) as i
  order by i.n;
end
$$;
alter function ingress.list_intents(ingress.item[]) owner to symphony_ingress_owner;
revoke all on function ingress.list_intents(ingress.item[]) from public;
comment on function ingress.list_intents(ingress.item[]) is
$$Turns items into intents in batch order: ids given, content hashed, form judged, twins (same key or id earlier in the batch) marked.
Callers: ingress.decide, ingress.attest_read. Writes: nothing. Locks: none. Raises: nothing. Idempotent: no (ids).$$;
