create or replace view evidence.instruction_timeline with (security_barrier = true) as
select k.participant_id, k.instruction_id, k.outbox_id, s.happened_at, s.step_no, s.kind, s.state, s.attempt_no, s.facts
from outbox.idempotency_ledger as k
cross join lateral (
  select a.recorded_at as happened_at, 1 as step_no, 'ATTESTATION' as kind, a.decision::text as state, null::integer as attempt_no,
    jsonb_build_object('attestation_id', a.attestation_id, 'pop_mode', a.pop_mode, 'client_id', a.client_id,
      'cert_sha256', encode(a.cert_sha256, 'hex'), 'token_jti_sha256', encode(a.token_jti_sha256, 'hex'),
      'body_sha256', encode(a.body_sha256, 'hex'), 'signature_key_id', a.signature_key_id, 'policy_version', a.policy_version,
      'policy_checksum', encode(a.policy_checksum, 'hex'), 'db_role', a.db_role, 'cell_id', a.cell_id, 'cell_epoch', a.cell_epoch,
      'correlation_id', a.correlation_id, 'received_at', a.received_at, 'commitment', encode(a.commitment, 'hex')) as facts
  from outbox.payment_instructions as i
  join ingress.ingress_attestations as a on a.participant_id = i.participant_id and a.attestation_id = i.attestation_id
  where i.participant_id = k.participant_id and i.outbox_id = k.outbox_id
  union all
  select i.recorded_at, 2, 'INSTRUCTION', i.initial_state, null,
    jsonb_build_object('outbox_id', i.outbox_id, 'sequence_id', i.sequence_id, 'rail', i.rail, 'currency', i.currency,
      'amount_minor', i.amount_minor::text, 'payload_sha256', encode(i.payload_sha256, 'hex'),
      'parties_commitment', encode(i.parties_commitment, 'hex'), 'policy_version', i.policy_version,
      'commitment', encode(i.commitment, 'hex'))
  from outbox.payment_instructions as i
  where i.participant_id = k.participant_id and i.outbox_id = k.outbox_id
  union all
  select r.recorded_at, 3, case when r.status = 'RESOLVED' then 'PROXY_RESOLVED' else 'PROXY_ANSWER' end, r.status::text, null,
    jsonb_strip_nulls(jsonb_build_object('resolution_id', r.resolution_id, 'resolution_no', r.resolution_no, 'proxy_type', r.proxy_type, 'hash_key_id', r.hash_key_id,
      'reason_code', r.reason_code, 'beneficiary_participant_id', r.beneficiary_participant_id,
      'beneficiary_commitment', encode(r.beneficiary_commitment, 'hex'), 'source', r.source, 'source_version', r.source_version,
      'from_cache', r.from_cache, 'response_sha256', encode(r.response_sha256, 'hex'), 'observed_at', r.observed_at, 'expires_at', r.expires_at,
      'resolved_by', r.resolved_by, 'commitment', encode(r.commitment, 'hex')))
  from proxy.proxy_resolutions as r
  where r.participant_id = k.participant_id and r.outbox_id = k.outbox_id
  union all
  select a.recorded_at, 10 + a.entry_no * 2, 'ATTEMPT', a.state::text, a.attempt_no,
    jsonb_strip_nulls(jsonb_build_object('action', a.action, 'resolution_id', a.resolution_id, 'reason_code', a.reason_code, 'claimed_by', a.claimed_by,
      'lease_token', a.lease_token, 'commitment', encode(a.commitment, 'hex')))
  from outbox.payment_outbox_attempts as a
  where a.participant_id = k.participant_id and a.outbox_id = k.outbox_id
  union all
  select a.recorded_at, 9 + a.entry_no * 2, 'RAIL_MESSAGE', a.state::text, a.attempt_no,
    jsonb_strip_nulls(jsonb_build_object('rail', a.rail, 'rail_code', a.rail_code, 'rail_reference', a.rail_reference,
      'request_sha256', encode(a.request_sha256, 'hex'), 'response_sha256', encode(a.response_sha256, 'hex'),
      'latency_us', a.latency_us))
  from outbox.payment_outbox_attempts as a
  where a.participant_id = k.participant_id and a.outbox_id = k.outbox_id and a.rail_code is not null
  union all
  select m.recorded_at, 9, 'RAIL_MESSAGE', m.outcome, null,
    jsonb_strip_nulls(jsonb_build_object('rail', m.rail, 'phase', m.phase, 'rail_code', m.rail_code,
      'rail_reference', m.rail_reference, 'answer_class', m.answer_class, 'request_sha256', encode(m.request_sha256, 'hex'),
      'response_sha256', encode(m.response_sha256, 'hex'), 'latency_us', m.latency_us, 'commitment', encode(m.commitment, 'hex')))
  from rails.rail_messages as m
  where m.participant_id = k.participant_id and m.outbox_id = k.outbox_id
  union all
  select r.recorded_at, 3, 'ATTESTATION', r.decision::text, null,
    jsonb_strip_nulls(jsonb_build_object('attestation_id', r.attestation_id, 'reason_code', r.reason_code,
      'body_sha256', encode(r.body_sha256, 'hex'), 'correlation_id', r.correlation_id, 'commitment', encode(r.commitment, 'hex')))
  from ingress.ingress_attestations as r
  where r.participant_id = k.participant_id and r.instruction_id = k.instruction_id and r.decision <> 'ACCEPT'
  union all
  select c.opened_at, 1000, 'CASE_OPENED', c.kind, null,
    jsonb_build_object('case_id', c.case_id, 'facts', c.facts, 'next_action', c.next_action, 'commitment', encode(c.commitment, 'hex'))
  from evidence.cases as c
  where c.participant_id = k.participant_id and c.outbox_id = k.outbox_id
  union all
  select d.decided_at, 1001, 'CASE_DECIDED', d.decision, null,
    jsonb_build_object('case_id', d.case_id, 'maker', d.maker, 'checker', d.checker, 'commitment', encode(d.commitment, 'hex'))
  from evidence.cases as c
  join evidence.case_decisions as d on d.participant_id = c.participant_id and d.case_id = c.case_id
  where c.participant_id = k.participant_id and c.outbox_id = k.outbox_id
  union all
  select e.recorded_at, 500, e.kind, null, null, e.facts || jsonb_build_object('actor', e.actor, 'commitment', encode(e.commitment, 'hex'))
  from evidence.evidence_events as e
  where e.participant_id = k.participant_id and e.outbox_id = k.outbox_id
) as s;
alter view evidence.instruction_timeline owner to symphony_evidence_owner;
comment on view evidence.instruction_timeline is
$$The life of an instruction for auditors: attestation, instruction, what was said of its alias, attempts, rail messages, cases, decisions; filter by participant_id and instruction_id, order by happened_at, step_no.
Reads the ledgers as they stand and holds ids, codes and hashes only. Callers: symphony_auditor. Read-only, so it works on a standby.$$;
comment on column evidence.instruction_timeline.step_no is 'Order of steps recorded at the same microsecond.';
comment on column evidence.instruction_timeline.facts is 'Ids, codes and SHA-256 values in hexadecimal; never personal data.';
