-- ingress: whom the ingress believes (clients, certificates, keys, revocations), what was used once, what was only counted.

-- Two capabilities more than DESIGN 7 lists: reading one's own status and reading one's own evidence are not submitting.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['symphony_status_reader', 'symphony_evidence_reader'] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = v_role) then
      execute pg_catalog.format('create role %I nologin noinherit', v_role);
    end if;
  end loop;
end
$$;

-- A read is a decision too, and is attested as one.
alter type ingress.decision add value 'READ' after 'REJECT';

create table ingress.proof_rules (
  rule_version integer primary key,
  proof_required boolean not null,
  signature_required boolean not null,
  mtls_token_use text collate "C" not null,
  dpop_token_use text collate "C" not null,
  revocation_max_age_ms integer not null,
  published_by text not null,
  reason text not null,
  published_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint proof_rule_version_is_positive check (rule_version >= 1),
  constraint proof_rule_names_a_use check (mtls_token_use in ('single_use', 'per_request_proof') and dpop_token_use in ('single_use', 'per_request_proof')),
  constraint proof_rule_age_is_bounded check (revocation_max_age_ms between 1000 and 86400000),
  constraint proof_rule_is_named check (published_by ~ '\S' and length(published_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint proof_rule_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table ingress.proof_rules owner to symphony_ingress_owner;
comment on table ingress.proof_rules is
  'Append-only versions of what a request must prove; the highest version is in force, and before the first one nothing is required. Once proof is required it stays required (ingress.publish_proof_rule).';
comment on column ingress.proof_rules.proof_required is 'False only in development, and in a database that an earlier release still serves: requests are believed without proof.';
comment on column ingress.proof_rules.mtls_token_use is 'A token bound to the certificate alone: single_use, or per_request_proof (then each request needs a signature with a nonce).';
comment on column ingress.proof_rules.dpop_token_use is 'A token bound to a DPoP key: per_request_proof (RFC 9449 proofs are single-use), or single_use too.';
comment on column ingress.proof_rules.revocation_max_age_ms is 'Longest time since the last check of a revocation source (milliseconds); older means refuse.';

create table ingress.clients (
  client_id text collate "C" primary key,
  participant_id text collate "C" not null,
  registered_by text not null,
  reason text not null,
  registered_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  unique (participant_id, client_id),
  constraint client_id_is_an_identifier check (client_id !~ '[^A-Za-z0-9._:-]' and length(client_id) between 1 and 64),
  constraint client_participant_is_an_identifier check (participant_id !~ '[^A-Z0-9._-]' and length(participant_id) between 1 and 32),
  constraint client_registration_is_named check (registered_by ~ '\S' and length(registered_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint client_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table ingress.clients owner to symphony_ingress_owner;
comment on table ingress.clients is 'Append-only: the OAuth clients, each of one participant for ever.';

create table ingress.client_certs (
  cert_sha256 bytea primary key,
  client_id text collate "C" not null,
  participant_id text collate "C" not null,
  issuer_sha256 bytea not null,
  serial text collate "C" not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  registered_by text not null,
  reason text not null,
  registered_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  foreign key (participant_id, client_id) references ingress.clients (participant_id, client_id),
  constraint client_cert_serial_is_unique unique (issuer_sha256, serial),
  constraint client_cert_hashes_are_sha256 check (octet_length(cert_sha256) = 32 and octet_length(issuer_sha256) = 32),
  constraint client_cert_serial_is_hexadecimal check (serial !~ '[^0-9a-f]' and length(serial) between 1 and 40),
  constraint client_cert_ends_after_it_begins check (not_before < not_after),
  constraint client_cert_registration_is_named check (registered_by ~ '\S' and length(registered_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint client_cert_commitment_is_sha256 check (octet_length(commitment) = 32)
);
create index ix_client_certs_client on ingress.client_certs (client_id);
alter table ingress.client_certs owner to symphony_ingress_owner;
comment on table ingress.client_certs is
  'Append-only: the client certificates that may be used, by SHA-256 of their DER. What ends one is a row of ingress.revoked_client_certs.';
comment on column ingress.client_certs.issuer_sha256 is 'SHA-256 of the DER of the CA that issued it.';
comment on column ingress.client_certs.serial is 'Serial number in lower-case hexadecimal without leading zeros (RFC 5280 4.1.2.2).';

create table ingress.revoked_client_certs (
  cert_sha256 bytea primary key references ingress.client_certs,
  source text collate "C" not null,
  revoked_by text not null,
  reason text not null,
  revoked_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint revocation_has_a_source check (source in ('OPERATOR', 'CRL', 'OCSP')),
  constraint revocation_is_named check (revoked_by ~ '\S' and length(revoked_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint revocation_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table ingress.revoked_client_certs owner to symphony_ingress_owner;
comment on table ingress.revoked_client_certs is
  'Append-only: the source of truth for revocation. Caches are hints; ingress.accept_proven and the reads look here again.';

create table ingress.signature_keys (
  key_id text collate "C" primary key,
  client_id text collate "C" not null,
  participant_id text collate "C" not null,
  alg text collate "C" not null,
  public_jwk text,
  active_from timestamptz not null,
  active_until timestamptz,
  registered_by text not null,
  reason text not null,
  registered_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  foreign key (participant_id, client_id) references ingress.clients (participant_id, client_id),
  constraint signature_key_id_is_an_identifier check (key_id !~ '[^A-Za-z0-9._:-]' and length(key_id) between 1 and 64),
  constraint signature_key_alg_is_known check (alg in ('ecdsa-p256-sha256', 'ed25519', 'hmac-sha256')),
  constraint signature_key_secret_is_elsewhere check ((alg = 'hmac-sha256') = (public_jwk is null) and length(public_jwk) <= 1024 and public_jwk is json object),
  constraint signature_key_ends_after_it_begins check (active_from < active_until),
  constraint signature_key_registration_is_named check (registered_by ~ '\S' and length(registered_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint signature_key_commitment_is_sha256 check (octet_length(commitment) = 32)
);
create index ix_signature_keys_client on ingress.signature_keys (client_id);
alter table ingress.signature_keys owner to symphony_ingress_owner;
comment on table ingress.signature_keys is
  'Append-only: keys of signed requests (RFC 9421), each of one client and with one algorithm. A shared secret (hmac-sha256) is in OpenBao only.';

create table ingress.retired_signature_keys (
  key_id text collate "C" primary key references ingress.signature_keys,
  retired_by text not null,
  reason text not null,
  retired_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint retirement_is_named check (retired_by ~ '\S' and length(retired_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint retirement_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table ingress.retired_signature_keys owner to symphony_ingress_owner;
comment on table ingress.retired_signature_keys is 'Append-only: keys that were ended before their time.';

create table ingress.registry_state (
  singleton boolean primary key default true,
  version bigint not null,
  changed_at timestamptz not null,
  constraint registry_state_is_one_row check (singleton),
  constraint registry_version_is_positive check (version >= 1)
);
alter table ingress.registry_state owner to symphony_ingress_owner;
comment on table ingress.registry_state is
  'One row: the version of clients, certificates, keys, revocations and rules. It grows with every change, so that a cache sees that it is old.';

create table ingress.revocation_sources (
  issuer_sha256 bytea not null,
  source text collate "C" not null,
  list_number numeric(49),
  this_update timestamptz not null,
  next_update timestamptz not null,
  checked_at timestamptz not null,
  primary key (issuer_sha256, source),
  constraint revocation_source_is_known check (source in ('CRL', 'OCSP')),
  constraint revocation_source_issuer_is_sha256 check (octet_length(issuer_sha256) = 32),
  constraint revocation_list_number_is_not_negative check (list_number >= 0),
  constraint revocation_update_is_before_the_next check (this_update < next_update)
);
alter table ingress.revocation_sources owner to symphony_ingress_owner;
comment on table ingress.revocation_sources is
  'When each revocation source was last read, and until when what it said holds (RFC 5280 5.1.2.5, RFC 6960 4.2.2.1). Never moves back. Without a fresh CRL of its issuer no certificate is accepted.';
comment on column ingress.revocation_sources.list_number is 'cRLNumber (RFC 5280 5.2.3); null for OCSP.';

create table ingress.seen_jti (
  slot smallint not null,
  seen_key uuid not null,
  correlation_id uuid not null,
  primary key (slot, seen_key)
) partition by list (slot);
alter table ingress.seen_jti owner to symphony_ingress_owner;
comment on table ingress.seen_jti is
  'What may be used once and was: a ring of eight slots of ten minutes each, chosen by the signed time and never by a clock. Slots that are over are truncated by ingress.retire_seen.';
comment on column ingress.seen_jti.seen_key is 'First 16 bytes of SHA-256 over kind, cell, and what makes it unique (ingress.use_proofs).';
comment on column ingress.seen_jti.correlation_id is 'The request that used it: the items of one request share its proofs.';
create table ingress.seen_jti_0 partition of ingress.seen_jti for values in (0);
create table ingress.seen_jti_1 partition of ingress.seen_jti for values in (1);
create table ingress.seen_jti_2 partition of ingress.seen_jti for values in (2);
create table ingress.seen_jti_3 partition of ingress.seen_jti for values in (3);
create table ingress.seen_jti_4 partition of ingress.seen_jti for values in (4);
create table ingress.seen_jti_5 partition of ingress.seen_jti for values in (5);
create table ingress.seen_jti_6 partition of ingress.seen_jti for values in (6);
create table ingress.seen_jti_7 partition of ingress.seen_jti for values in (7);
alter table ingress.seen_jti_0 owner to symphony_ingress_owner;
alter table ingress.seen_jti_1 owner to symphony_ingress_owner;
alter table ingress.seen_jti_2 owner to symphony_ingress_owner;
alter table ingress.seen_jti_3 owner to symphony_ingress_owner;
alter table ingress.seen_jti_4 owner to symphony_ingress_owner;
alter table ingress.seen_jti_5 owner to symphony_ingress_owner;
alter table ingress.seen_jti_6 owner to symphony_ingress_owner;
alter table ingress.seen_jti_7 owner to symphony_ingress_owner;

create table ingress.replay_horizon (
  singleton boolean primary key default true,
  closed_bucket bigint not null,
  constraint replay_horizon_is_one_row check (singleton)
);
alter table ingress.replay_horizon owner to symphony_ingress_owner;
comment on table ingress.replay_horizon is
  'One row: the last ten-minute bucket (epoch seconds / 600) whose proofs are refused unseen, because their slot may be empty by now. Only grows, so that a clock set back opens nothing again.';

create table ingress.refusal_counts (
  count_id uuid primary key,
  level text collate "C" not null,
  reason_code text collate "C" not null references core.reasons,
  verify_code integer,
  peer_address inet,
  cert_sha256 bytea,
  participant_id text collate "C",
  refusals bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  instance text not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint refusal_count_has_a_level check (level in ('CONNECTION', 'REQUEST')),
  constraint refusal_count_is_positive check (refusals >= 1),
  constraint refusal_count_ends_after_it_begins check (first_at <= last_at),
  constraint refusal_count_certificate_is_sha256 check (octet_length(cert_sha256) = 32),
  constraint refusal_count_participant_is_an_identifier check (participant_id !~ '[^A-Z0-9._-]' and length(participant_id) between 1 and 32),
  constraint refusal_count_instance_is_named check (length(instance) between 1 and 100),
  constraint refusal_count_commitment_is_sha256 check (octet_length(commitment) = 32)
) partition by range (count_id);
alter table ingress.refusal_counts owner to symphony_ingress_owner;
comment on table ingress.refusal_counts is
  'Append-only: refusals that have no attestation of their own, counted: connections that never became a request, and requests above the limit of attestations.';
comment on column ingress.refusal_counts.count_id is 'uuidv7 made by the ingress, so that a count sent twice is recorded once.';
comment on column ingress.refusal_counts.verify_code is 'X509_V_ERR_* of OpenSSL (x509_vfy.h), where the handshake failed on the certificate.';
comment on column ingress.refusal_counts.peer_address is 'Null above the bound of addresses kept apart.';
insert into core.month_partitioned values ('ingress', 'refusal_counts', 'count_id', true, 7);

create type ingress.proof as (
  token_exp bigint,
  dpop_jkt bytea,
  dpop_jti_sha256 bytea,
  dpop_iat bigint,
  signature_nonce_sha256 bytea,
  signature_created bigint
);
alter type ingress.proof owner to symphony_ingress_owner;
comment on type ingress.proof is 'What the ingress verified of a request besides what its item says; times in epoch seconds as they were signed.';
create type ingress.refusal_count as (
  count_id uuid, level text, reason_code text, verify_code integer, peer_address inet, cert_sha256 bytea, participant_id text,
  refusals bigint, first_at timestamptz, last_at timestamptz, instance text
);
alter type ingress.refusal_count owner to symphony_ingress_owner;
comment on type ingress.refusal_count is 'One count as the ingress sends it (ingress.record_refusal_counts).';

revoke all on type ingress.proof, ingress.refusal_count from public;

insert into core.errors (sqlstate, name, message, hint) values
  ('SV502', 'registration_incomplete', 'a registration, retirement, revocation or rule needs every member in its documented form, an operator and a reason', 'Fill or correct the member.'),
  ('SV503', 'proofs_not_of_items', 'every item needs its proof, in the same order', 'Pass one proof an item.'),
  ('SN501', 'client_not_registered', 'no such client is registered', 'Register the client first.'),
  ('SN502', 'credential_not_registered', 'no such certificate or key is registered', 'List what is registered.'),
  ('SC501', 'registered_otherwise', 'this client, certificate or key is registered with other particulars', 'Use another id, or leave it.'),
  ('SC502', 'ended_already', 'this certificate or key was ended before', 'Nothing is left to do.'),
  ('SC503', 'revocation_list_not_newer', 'a newer list of this source was recorded before', 'Fetch the newest one.'),
  ('SA501', 'proof_stays_required', 'a database that requires proof never goes back', 'Use another database for development.');

insert into core.reasons (reason_code, http_status, meaning, next_action) values
  ('CERT_MISSING', 401, 'no client certificate was presented', 'present the registered client certificate'),
  ('CERT_HEADER_INVALID', 400, 'the Client-Cert field is not exactly one certificate as a Byte Sequence', 'fix the proxy (RFC 9440)'),
  ('CERT_MALFORMED', 401, 'the client certificate is not one X.509 version 3 certificate in DER', 'use another one'),
  ('CERT_NOT_YET_VALID', 401, 'the client certificate is not valid yet', 'wait, or check the clock'),
  ('CERT_EXPIRED', 401, 'the client certificate has expired', 'renew it'),
  ('CERT_USAGE_REFUSED', 401, 'the client certificate does not name clientAuth as extended key usage, or its key may not sign', 'ask for a certificate with EKU clientAuth'),
  ('CERT_IDENTITY_MISSING', 401, 'the client certificate has no subject alternative name', 'ask for a certificate with a SAN'),
  ('CERT_CHAIN_REFUSED', 401, 'the client certificate is not issued by our issuing CA', 'ask for one that is'),
  ('AUTHORIZATION_MISSING', 401, 'the request has no Authorization field', 'send the access token'),
  ('AUTHORIZATION_INVALID', 401, 'the Authorization field is not one scheme, Bearer or DPoP, and one token', 'send one token in one field'),
  ('TOKEN_TOO_LARGE', 401, 'the access token is larger than 8 kB', 'ask the issuer for a smaller one'),
  ('TOKEN_MALFORMED', 401, 'the access token is no canonical compact JWS', 'send it as it was issued'),
  ('TOKEN_JSON_INVALID', 401, 'the access token''s header or payload is not strict JSON', 'report it to the issuer'),
  ('TOKEN_HEADER_REFUSED', 401, 'the access token''s header has other members than alg, kid, typ, or no proper kid', 'fix the issuer'),
  ('TOKEN_TYPE_REFUSED', 401, 'the JWT''s typ is not at+jwt', 'send an access token (RFC 9068)'),
  ('TOKEN_ALGORITHM_REFUSED', 401, 'the access token''s alg is not allowed, or is not its key''s', 'sign with PS256, ES256 or EdDSA'),
  ('TOKEN_KEY_UNKNOWN', 401, 'the access token''s kid names no current key of the issuer', 'get a new token'),
  ('TOKEN_SIGNATURE_INVALID', 401, 'the access token''s signature does not hold', 'get a new token'),
  ('TOKEN_CLAIM_MISSING', 401, 'a required claim is missing from the access token', 'fix the issuer'),
  ('TOKEN_CLAIM_INVALID', 401, 'a claim of the access token has a wrong type or form', 'fix the issuer'),
  ('TOKEN_ISSUER_REFUSED', 401, 'the access token is from another issuer', 'use a token of the configured issuer'),
  ('TOKEN_AUDIENCE_REFUSED', 401, 'the access token is not for this service alone', 'ask for a token for it alone'),
  ('TOKEN_LIFETIME_REFUSED', 401, 'the access token''s times contradict each other or it lives too long', 'ask for a short-lived token'),
  ('TOKEN_EXPIRED', 401, 'the access token has expired', 'get a new token'),
  ('TOKEN_NOT_YET_VALID', 401, 'the access token begins in the future', 'check the clock, then retry'),
  ('TOKEN_SCOPE_INSUFFICIENT', 403, 'the access token''s scope does not allow this', 'ask for the scope'),
  ('TOKEN_NOT_BOUND', 401, 'the access token is not bound to a certificate or a DPoP key in a way we can check', 'ask for a bound token'),
  ('TOKEN_CERT_MISMATCH', 401, 'the access token is bound to another client certificate', 'use the certificate the token was issued to'),
  ('TOKEN_DOWNGRADED', 401, 'a DPoP-bound access token was sent without its proof', 'send it with scheme DPoP and a proof'),
  ('DPOP_NOT_BOUND', 401, 'a DPoP scheme or proof came with a token that has no cnf.jkt', 'use scheme Bearer over mTLS'),
  ('DPOP_KEY_MISMATCH', 401, 'the DPoP proof is by another key than the token''s', 'sign with the token''s key'),
  ('DPOP_HEADER_INVALID', 401, 'there is not exactly one DPoP field', 'send one proof'),
  ('DPOP_TOO_LARGE', 401, 'the DPoP proof is larger than 8 kB', 'send a smaller one'),
  ('DPOP_MALFORMED', 401, 'the DPoP proof is no canonical compact JWS', 'fix the client'),
  ('DPOP_JSON_INVALID', 401, 'the DPoP proof''s header or payload is not strict JSON', 'fix the client'),
  ('DPOP_HEADER_REFUSED', 401, 'the DPoP proof''s header has other members than alg, jwk, kid, typ, or no jwk', 'fix the client'),
  ('DPOP_TYPE_REFUSED', 401, 'the DPoP proof''s typ is not dpop+jwt', 'fix the client'),
  ('DPOP_ALGORITHM_REFUSED', 401, 'the DPoP proof''s alg is not allowed, or is not its key''s', 'sign the proof with PS256, ES256 or EdDSA'),
  ('DPOP_KEY_REFUSED', 401, 'the DPoP proof''s jwk is no public key that we accept', 'use RSA 2048+, P-256 or Ed25519'),
  ('DPOP_SIGNATURE_INVALID', 401, 'the DPoP proof''s signature does not hold', 'fix the client'),
  ('DPOP_CLAIM_INVALID', 401, 'a claim of the DPoP proof is missing or has a wrong type or form', 'fix the client'),
  ('DPOP_METHOD_MISMATCH', 401, 'the DPoP proof''s htm is not the request''s method', 'make one proof per request'),
  ('DPOP_TARGET_MISMATCH', 401, 'the DPoP proof''s htu is not the request''s target', 'use our external address'),
  ('DPOP_OUTSIDE_WINDOW', 401, 'the DPoP proof is too old or from the future', 'check the clock, then retry'),
  ('DPOP_TOKEN_MISMATCH', 401, 'the DPoP proof''s ath is of another access token', 'hash the token you send'),
  ('DPOP_NONCE_REQUIRED', 401, 'the DPoP proof has no current nonce of ours', 'retry with the DPoP-Nonce given'),
  ('DIGEST_MISSING', 400, 'a body came without Content-Digest', 'send Content-Digest (RFC 9530)'),
  ('DIGEST_MALFORMED', 400, 'Content-Digest is not one field of Byte Sequences', 'fix the client'),
  ('DIGEST_ALGORITHM_REFUSED', 400, 'Content-Digest names a weak algorithm, or none that we accept', 'use sha-256 or sha-512'),
  ('DIGEST_MISMATCH', 400, 'Content-Digest is not the digest of the received bytes', 'hash the bytes you send'),
  ('SIGNATURE_MISSING', 401, 'no signature with our tag', 'sign the request (RFC 9421)'),
  ('SIGNATURE_MALFORMED', 400, 'Signature-Input and Signature are not one well-formed field each', 'fix the client'),
  ('SIGNATURE_AMBIGUOUS', 401, 'more than one signature with our tag, or too many signatures', 'send one'),
  ('SIGNATURE_PARAMETER_REFUSED', 401, 'a signature parameter is missing, unknown or of a wrong form', 'send created, keyid, tag'),
  ('SIGNATURE_COMPONENT_REFUSED', 401, 'a covered component is not supported, repeated or not in the request', 'cover what the documentation lists'),
  ('SIGNATURE_COVERAGE_INSUFFICIENT', 401, 'the signature does not cover a required component', 'cover it'),
  ('SIGNATURE_OUTSIDE_WINDOW', 401, 'the signature is too old, from the future or expired', 'check the clock, then sign again'),
  ('SIGNATURE_KEY_UNKNOWN', 401, 'keyid names no active key of this client', 'register the key'),
  ('SIGNATURE_ALGORITHM_REFUSED', 401, 'the signature''s alg is not its key''s', 'leave alg out, or name the key''s'),
  ('SIGNATURE_INVALID', 401, 'the request''s signature does not hold', 'sign the request you send'),
  ('KEY_REFUSED', 503, 'a configured key is not one that may be trusted', 'configure another key'),
  ('TRUST_CONFIGURATION_REFUSED', 503, 'what is configured to be trusted is not allowed', 'mend the configuration'),
  ('JWKS_UNAVAILABLE', 503, 'the issuer''s keys could not be fetched', 'retry; operator: look at the issuer'),
  ('JWKS_REFUSED', 503, 'the issuer''s key set is not acceptable', 'operator: look at the issuer'),
  ('JWKS_STALE', 503, 'the issuer''s keys are older than the limit', 'retry later; operator: look at the issuer'),
  ('CERT_UNREGISTERED', 401, 'the client certificate is not registered', 'have the operator register it'),
  ('CERT_REVOKED', 401, 'the client certificate is revoked', 'use a certificate that is not'),
  ('CERT_CLIENT_MISMATCH', 401, 'the client certificate is registered to another client than the token''s', 'use the client''s own certificate and token'),
  ('TOKEN_REPLAYED', 401, 'the access token may be used once and was used before', 'get a new token for each request'),
  ('DPOP_REPLAYED', 401, 'the DPoP proof was used before', 'make one proof per request'),
  ('SIGNATURE_REPLAYED', 401, 'the signature''s nonce was used before', 'sign each request anew'),
  ('PROOF_EXPIRED', 401, 'by the database''s clock a proof is too old, or from the future', 'check the clock, then prove again'),
  ('PROOF_MISSING', 401, 'this database records only what came with a complete proof', 'send it through the authenticated ingress'),
  ('REVOCATION_STALE', 503, 'what is known about revoked certificates is too old, or older than the certificate''s registration', 'retry; operator: look at symphony maintain'),
  ('RATE_LIMITED', 429, 'too many requests over this client certificate', 'send fewer, as Retry-After says'),
  ('REFUSALS_UNRECORDED', 429, 'refusals above the limit, counted and not attested one by one', 'find out why requests are refused'),
  ('INSTRUCTION_UNKNOWN', 404, 'the participant has no instruction of this id', 'check the id; unanswered requests may be retried'),
  ('CONNECTION_NO_CERTIFICATE', 401, 'the TLS handshake brought no client certificate', 'present the registered client certificate'),
  ('CONNECTION_CERTIFICATE_REFUSED', 401, 'the TLS handshake brought a certificate that the issuing CA did not issue', 'use one that it did'),
  ('CONNECTION_CERTIFICATE_EXPIRED', 401, 'the TLS handshake brought an expired certificate', 'renew it'),
  ('CONNECTION_CERTIFICATE_NOT_YET_VALID', 401, 'the TLS handshake brought a certificate of the future', 'check the clock'),
  ('CONNECTION_PURPOSE_REFUSED', 401, 'the TLS handshake brought a certificate for another purpose', 'use one with EKU clientAuth'),
  ('CONNECTION_PROTOCOL_REFUSED', 400, 'what arrived is no TLS 1.3 handshake that we take part in', 'use TLS 1.3'),
  ('CONNECTION_HANDSHAKE_TIMEOUT', 400, 'the TLS handshake did not end in time', 'retry'),
  ('CONNECTION_LIMIT', 503, 'too many connections', 'reuse connections; retry later'),
  ('CONNECTION_MALFORMED', 400, 'what came over the connection is no HTTP/1.1 request', 'fix the client');

insert into ingress.registry_state (version, changed_at) values (1, now());
insert into ingress.replay_horizon (closed_bucket) values (0);
