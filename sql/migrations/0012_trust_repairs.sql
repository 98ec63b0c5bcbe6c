-- ingress: a revocation source can be ended by name, what was read of revocations is evidence, and the replay ring is left to itself.

create table ingress.ended_revocation_sources (
  issuer_sha256 bytea not null,
  source text collate "C" not null,
  ended_by text not null,
  reason text not null,
  ended_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (issuer_sha256, source, ended_at),
  constraint ended_source_is_known check (source in ('CRL', 'OCSP')),
  constraint ended_source_issuer_is_sha256 check (octet_length(issuer_sha256) = 32),
  constraint ended_source_is_named check (ended_by ~ '\S' and length(ended_by) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint ended_source_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table ingress.ended_revocation_sources owner to symphony_ingress_owner;
comment on table ingress.ended_revocation_sources is
  'Append-only: revocation sources that are read no more and count no more, until one of them is read again. Nothing that such a source revoked comes back.';
comment on column ingress.ended_revocation_sources.issuer_sha256 is 'SHA-256 of the DER of the CA whose source it was.';

create table ingress.revocation_readings (
  reading_id uuid primary key,
  issuer_sha256 bytea not null,
  source text collate "C" not null,
  list_number numeric(49),
  this_update timestamptz not null,
  next_update timestamptz not null,
  revoked_count integer not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint reading_source_is_known check (source in ('CRL', 'OCSP')),
  constraint reading_issuer_is_sha256 check (octet_length(issuer_sha256) = 32),
  constraint reading_count_is_not_negative check (revoked_count >= 0),
  constraint reading_commitment_is_sha256 check (octet_length(commitment) = 32)
);
-- The last reading of a source, and all of a source in order.
create index ix_revocation_readings_source on ingress.revocation_readings (issuer_sha256, source, recorded_at);
alter table ingress.revocation_readings owner to symphony_ingress_owner;
comment on table ingress.revocation_readings is
  'Append-only: what was known about revocations, and when: a row for each new list, and one in ten minutes while it stays the same (ingress.record_revocation_list).';
comment on column ingress.revocation_readings.list_number is 'cRLNumber (RFC 5280 5.2.3); null for OCSP.';
comment on column ingress.revocation_readings.this_update is 'thisUpdate of the list; for OCSP the beginning of the round.';
comment on column ingress.revocation_readings.revoked_count is 'How many serial numbers the list holds, registered here or not; for OCSP how many were answered as revoked.';

-- Rows are only added and then truncated, so nothing is left to vacuum, and the hot lookups are pinned and need no statistics. Its lock on
-- a slot would keep ingress.retire_seen from emptying it. Against wraparound it comes all the same.
alter table ingress.seen_jti_0 set (autovacuum_enabled = false);
alter table ingress.seen_jti_1 set (autovacuum_enabled = false);
alter table ingress.seen_jti_2 set (autovacuum_enabled = false);
alter table ingress.seen_jti_3 set (autovacuum_enabled = false);
alter table ingress.seen_jti_4 set (autovacuum_enabled = false);
alter table ingress.seen_jti_5 set (autovacuum_enabled = false);
alter table ingress.seen_jti_6 set (autovacuum_enabled = false);
alter table ingress.seen_jti_7 set (autovacuum_enabled = false);

insert into core.errors (sqlstate, name, message, hint) values
  ('SN503', 'revocation_source_not_counted', 'no such revocation source was recorded, or it was ended', 'Look at evidence.revocation_readings.'),
  ('SC504', 'revocation_source_in_use', 'a usable certificate of this CA rests on its revocation list', 'Revoke the CA''s certificates first, or wait until they expire.');

insert into core.reasons (reason_code, http_status, meaning, next_action) values
  ('TOO_MANY_REFUSALS', 429, 'too many of the participant''s requests were refused', 'find out why, then retry');
