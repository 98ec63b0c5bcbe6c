create or replace function ingress.attest(
  p_items ingress.item[], p_intents outbox.intent[], p_reasons text[], p_recorded outbox.recorded[], p_checksum bytea) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_cell core.cell := core.get_cell();
  v_items ingress.item[] := p_items;
  v_reasons text[] := p_reasons;
  v_recorded outbox.recorded[] := p_recorded;
begin
  with judged as (
    select n.*, (v_items[n.item_no]).*, v_reasons[n.item_no] as reason_code, (v_recorded[n.item_no]).outbox_id as recorded_outbox_id,
      case when v_reasons[n.item_no] is not null then 'REJECT'
        when (v_recorded[n.item_no]).outbox_id is not null then 'REPLAY' else 'ACCEPT' end::ingress.decision as decision
    from (select i.item_no, i.participant_id as attested_for, i.attestation_id, i.outbox_id, i.policy_version
      from unnest(p_intents) as i) as n
  ), registered as (
    select j.*, case when j.reason_code is null then null
      when exists (select from core.list_reasons() as r where r.reason_code = j.reason_code) then j.reason_code
      else 'UNREGISTERED_REASON' end as registered_reason,
      case j.decision when 'ACCEPT' then j.outbox_id else j.recorded_outbox_id end as attested_outbox_id
    from judged as j
  )
  insert into ingress.ingress_attestations (participant_id, attestation_id, decision, reason_code, tenant_id, cell_id, cell_epoch,
    instruction_id, outbox_id, client_id, cert_sha256, token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256,
    signature_key_id, signature_alg, policy_version, policy_checksum, db_role, correlation_id, received_at, verified_at, recorded_at,
    commitment)
  select a.attested_for, a.attestation_id, a.decision, a.registered_reason, a.tenant_id, v_cell.cell_id, v_cell.epoch,
    left(a.instruction_id, 64), a.attested_outbox_id, a.client_id, a.cert_sha256, a.token_iss, a.token_aud, a.token_kid,
    a.token_jti_sha256, a.cnf, a.pop_mode::ingress.pop_mode, a.body_sha256, a.signature_key_id, a.signature_alg, a.policy_version,
    p_checksum, a.db_role, a.correlation_id, a.received_at, a.verified_at, v_now,
    core.commitment(array['ingress.ingress_attestations', a.attested_for, a.attestation_id::text, a.decision::text,
      a.registered_reason, a.tenant_id, v_cell.cell_id, v_cell.epoch::text, left(a.instruction_id, 64), a.attested_outbox_id::text,
      a.client_id, encode(a.cert_sha256, 'hex'), a.token_iss, a.token_aud, a.token_kid, encode(a.token_jti_sha256, 'hex'), a.cnf,
      a.pop_mode, encode(a.body_sha256, 'hex'), a.signature_key_id, a.signature_alg, a.policy_version::text,
      encode(p_checksum, 'hex'), a.db_role, a.correlation_id::text, core.epoch_us(a.received_at), core.epoch_us(a.verified_at),
      core.epoch_us(v_now)])
  from registered as a;
end
$$;
alter function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], bytea) owner to symphony_ingress_owner;
revoke all on function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], bytea) from public;
comment on function ingress.attest(ingress.item[], outbox.intent[], text[], outbox.recorded[], bytea) is
$$Writes one attestation per intent: REJECT with its reason, REPLAY of a recorded instruction, or ACCEPT. An unregistered reason is attested as UNREGISTERED_REASON.
Callers: ingress.accept, ingress.accept_twins. Writes: ingress_attestations. Locks: none. Raises: 23502, 23514, 22P02 when the ingress left out a mandatory fact (body hash, correlation, times, mode). Idempotent: no.$$;
