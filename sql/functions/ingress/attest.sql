create or replace function ingress.attest(
  p_items ingress.item[], p_intents outbox.intent[], p_reasons text[], p_recorded outbox.recorded[], p_policy_version integer,
  p_checksum bytea, p_item_nos integer[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_cell core.cell := core.get_cell();
begin
  with judged as (
    -- What an odd item says of itself is attested only where it has the form of a fact.
    select u.tenant_id, u.instruction_id, u.rail, u.client_id, u.token_iss, u.token_aud, u.token_kid, u.cnf, u.signature_key_id,
      u.signature_alg, u.db_role, u.correlation_id,
      case when octet_length(u.cert_sha256) = 32 then u.cert_sha256 end as cert_sha256,
      case when octet_length(u.token_jti_sha256) = 32 then u.token_jti_sha256 end as token_jti_sha256,
      case when octet_length(u.body_sha256) = 32 then u.body_sha256 end as body_sha256,
      case when u.pop_mode in ('NONE', 'DEV_HEADER', 'MTLS', 'DPOP', 'MTLS_DPOP') then u.pop_mode else 'NONE' end as pop_mode,
      case when isfinite(u.received_at) then u.received_at end as received_at,
      case when isfinite(u.verified_at) then u.verified_at end as verified_at, (p_intents[u.n]).participant_id as attested_for, (p_intents[u.n]).attestation_id, (p_intents[u.n]).outbox_id,
      p_reasons[u.n] as reason_code, (p_recorded[u.n]).outbox_id as recorded_outbox_id
    from unnest(p_items) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason, n)
    where p_item_nos is null or u.n = any (p_item_nos)
    offset 0
  ), registered as (
    select j.*, case when j.reason_code is not null then 'REJECT' when j.recorded_outbox_id is null then 'ACCEPT'
      when j.rail is null then 'READ' else 'REPLAY' end::ingress.decision as decision,
      case when j.reason_code is null then null
      when exists (select from core.list_reasons() as r where r.reason_code = j.reason_code) then j.reason_code
      else 'UNREGISTERED_REASON' end as registered_reason,
      coalesce(j.recorded_outbox_id, case when j.reason_code is null then j.outbox_id end) as attested_outbox_id
    from judged as j
    offset 0
  )
  insert into ingress.ingress_attestations (participant_id, attestation_id, decision, reason_code, tenant_id, cell_id, cell_epoch,
    instruction_id, outbox_id, client_id, cert_sha256, token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256,
    signature_key_id, signature_alg, policy_version, policy_checksum, db_role, correlation_id, received_at, verified_at, recorded_at,
    commitment)
  select a.attested_for, a.attestation_id, a.decision, a.registered_reason, a.tenant_id, v_cell.cell_id, v_cell.epoch,
    left(a.instruction_id, 64), a.attested_outbox_id, a.client_id, a.cert_sha256, a.token_iss, a.token_aud, a.token_kid,
    a.token_jti_sha256, a.cnf, a.pop_mode::ingress.pop_mode, a.body_sha256, a.signature_key_id, a.signature_alg, p_policy_version,
    p_checksum, a.db_role, a.correlation_id, a.received_at, a.verified_at, v_now,
    core.commitment(array['ingress.ingress_attestations', a.attested_for, a.attestation_id::text, a.decision::text,
      a.registered_reason, a.tenant_id, v_cell.cell_id, v_cell.epoch::text, left(a.instruction_id, 64), a.attested_outbox_id::text,
      a.client_id, encode(a.cert_sha256, 'hex'), a.token_iss, a.token_aud, a.token_kid, encode(a.token_jti_sha256, 'hex'), a.cnf,
      a.pop_mode, encode(a.body_sha256, 'hex'), a.signature_key_id, a.signature_alg, p_policy_version::text,
      encode(p_checksum, 'hex'), a.db_role, a.correlation_id::text, core.epoch_us(a.received_at), core.epoch_us(a.verified_at),
      v_now_us])
  from registered as a;
end
$$;
alter function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], integer, bytea, integer[]) owner to symphony_ingress_owner;
revoke all on function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], integer, bytea, integer[]) from public;
comment on function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], integer, bytea, integer[]) is
$$Writes one attestation per item (of those numbered in p_item_nos, or all): REJECT with its reason, READ (an item that names no rail) or REPLAY of a recorded instruction, or ACCEPT. An unregistered reason is attested as UNREGISTERED_REASON.
Callers: ingress.decide, ingress.accept_twins, ingress.attest_read. Writes: ingress_attestations. Locks: none. Raises: SX003 before the cell is established. Idempotent: no.$$;
