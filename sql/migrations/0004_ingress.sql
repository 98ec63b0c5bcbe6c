-- ingress: one attestation for every decision.

create type ingress.decision as enum ('ACCEPT', 'REPLAY', 'REJECT');
create type ingress.pop_mode as enum ('NONE', 'DEV_HEADER', 'MTLS', 'DPOP', 'MTLS_DPOP');

create table ingress.ingress_attestations (
  participant_id text collate "C" not null,
  attestation_id uuid not null,
  decision ingress.decision not null,
  reason_code text collate "C" references core.reasons,
  tenant_id text collate "C",
  cell_id text collate "C" not null,
  cell_epoch integer not null,
  instruction_id text collate "C",
  outbox_id uuid,
  client_id text collate "C",
  cert_sha256 bytea,
  token_iss text collate "C",
  token_aud text collate "C",
  token_kid text collate "C",
  token_jti_sha256 bytea,
  cnf text collate "C",
  pop_mode ingress.pop_mode not null,
  body_sha256 bytea,
  signature_key_id text collate "C",
  signature_alg text collate "C",
  policy_version integer,
  policy_checksum bytea,
  db_role text collate "C",
  correlation_id uuid,
  received_at timestamptz,
  verified_at timestamptz,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, attestation_id),
  constraint attestation_reject_has_a_reason check ((decision = 'REJECT') = (reason_code is not null)),
  constraint attestation_accept_names_its_instruction check (decision = 'REJECT' or (outbox_id is not null and instruction_id is not null)),
  constraint attestation_accept_names_its_policy check (decision <> 'ACCEPT' or (policy_version is not null and policy_checksum is not null)),
  constraint attestation_facts_are_complete check (decision = 'REJECT' or (body_sha256 is not null and db_role is not null
    and correlation_id is not null and received_at is not null and verified_at is not null)),
  constraint attestation_body_is_sha256 check (octet_length(body_sha256) = 32),
  constraint attestation_certificate_is_sha256 check (octet_length(cert_sha256) = 32),
  constraint attestation_jti_is_sha256 check (octet_length(token_jti_sha256) = 32),
  constraint attestation_commitment_is_sha256 check (octet_length(commitment) = 32)
) partition by range (attestation_id);
create index ix_attestations_not_accepted on ingress.ingress_attestations (participant_id, instruction_id)
  where decision <> 'ACCEPT' and instruction_id is not null;
alter table ingress.ingress_attestations owner to symphony_ingress_owner;
comment on table ingress.ingress_attestations is
  'Append-only: one row per decision (ACCEPT, REPLAY, REJECT). Hashes and ids only: no secret, no payload, no personal data.';
comment on column ingress.ingress_attestations.participant_id is 'The authenticated participant; «-» when none was established.';
comment on column ingress.ingress_attestations.outbox_id is 'The instruction that was recorded (ACCEPT) or found (REPLAY).';
comment on column ingress.ingress_attestations.body_sha256 is 'SHA-256 over the raw bytes as received; null only in a REJECT of an ingress that gave none.';
comment on column ingress.ingress_attestations.cnf is 'Confirmation claim the sender proved: RFC 7800, thumbprints only.';
comment on column ingress.ingress_attestations.pop_mode is 'How possession was proved; DEV_HEADER only from an ingress in development mode.';
comment on column ingress.ingress_attestations.commitment is 'SHA-256 of the RFC 8785 array of the row''s fields (ingress.accept).';
comment on column ingress.ingress_attestations.recorded_xid is 'Transaction that wrote the row, meaningful only in this cluster: the sealer folds rows below the snapshot''s xmin.';
insert into core.month_partitioned values ('ingress', 'ingress_attestations', 'attestation_id', true, 1);

create type ingress.item as (
  participant_id text, tenant_id text, instruction_id text, idempotency_key text, rail text, currency text,
  amount_minor bigint, creditor_participant_id text, end_to_end_id text, purpose text, uetr uuid,
  requires_proxy boolean, parties text, client_id text, cert_sha256 bytea, token_iss text, token_aud text,
  token_kid text, token_jti_sha256 bytea, cnf text, pop_mode text, body_sha256 bytea, signature_key_id text,
  signature_alg text, db_role text, correlation_id uuid, received_at timestamptz, verified_at timestamptz,
  reject_reason text
);
comment on type ingress.item is
  'One request as the ingress judged it. reject_reason set: only an attestation is written. parties: RFC 8785 text, personal data.';
