-- proxy: which beneficiary an alias stands for, as a registry said it, when, and until when that may be believed.

create type proxy.resolution_status as enum ('RESOLVED', 'NOT_FOUND', 'INVALID', 'REVOKED', 'TEMP_UNAVAILABLE');
alter type proxy.resolution_status owner to symphony_proxy_owner;

create table proxy.proxy_resolutions (
  participant_id text collate "C" not null,
  resolution_id uuid not null,
  outbox_id uuid not null,
  resolution_no integer not null,
  proxy_type text collate "C" not null,
  proxy_hash bytea not null,
  hash_key_id text collate "C" not null,
  status proxy.resolution_status not null,
  reason_code text collate "C" references core.reasons,
  beneficiary_participant_id text collate "C",
  beneficiary_commitment bytea,
  source text collate "C" not null,
  source_version text collate "C",
  from_cache boolean not null,
  response_sha256 bytea,
  observed_at timestamptz not null,
  expires_at timestamptz,
  latency_us bigint,
  resolved_by text not null,
  lease_token uuid not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, resolution_id),
  constraint resolution_number_is_positive check (resolution_no >= 1),
  constraint resolution_type_is_iso_20022_form check (length(proxy_type) between 1 and 4 and proxy_type !~ '[^A-Z0-9]'),
  constraint resolution_alias_is_a_keyed_hash check (octet_length(proxy_hash) = 32 and hash_key_id ~ '^[a-z][a-z0-9-]{0,47}:v[0-9]{1,9}$'),
  constraint resolution_says_who_or_why check (
    (status = 'RESOLVED') = (beneficiary_commitment is not null and beneficiary_participant_id is not null and expires_at is not null)
    and (status = 'RESOLVED') = (reason_code is null)),
  constraint resolution_expires_after_it_was_observed check (expires_at > observed_at),
  constraint resolution_answer_has_its_hash check (response_sha256 is not null or status = 'TEMP_UNAVAILABLE'),
  constraint resolution_source_is_a_name check (
    length(source) between 1 and 64 and source !~ '[^a-z0-9._-]' and length(source_version) <= 64 and source_version !~ '[^ -~]'),
  constraint resolution_beneficiary_is_an_identifier check (
    beneficiary_participant_id !~ '[^A-Z0-9._-]' and length(beneficiary_participant_id) between 1 and 32),
  constraint resolution_hashes_are_sha256 check (
    octet_length(beneficiary_commitment) = 32 and octet_length(response_sha256) = 32 and octet_length(commitment) = 32)
) partition by range (resolution_id);
create index ix_proxy_resolutions_instruction on proxy.proxy_resolutions (participant_id, outbox_id);
alter table proxy.proxy_resolutions owner to symphony_proxy_owner;
comment on table proxy.proxy_resolutions is
  'Append-only: every answer about an instruction''s alias, whoever gave it. No alias, account or name: a keyed hash, a salted commitment, and where the answer came from.';
comment on column proxy.proxy_resolutions.resolution_no is 'The how manieth answer about this instruction''s alias.';
comment on column proxy.proxy_resolutions.proxy_type is 'ISO 20022 ExternalProxyAccountType1Code, for example MBNO.';
comment on column proxy.proxy_resolutions.proxy_hash is 'HMAC-SHA-256 of «proxy:<type>:<normalised alias>» under the key of hash_key_id, which OpenBao keeps.';
comment on column proxy.proxy_resolutions.hash_key_id is 'Name and version of the HMAC key, for example proxy-hash:v1; a bare hash has none and is refused.';
comment on column proxy.proxy_resolutions.beneficiary_commitment is 'SHA-256(the parties'' salt || RFC 8785 beneficiary); silent once the parties are erased.';
comment on column proxy.proxy_resolutions.response_sha256 is 'SHA-256(a secret of the alias, derived under the HMAC key || the registry''s answer as received).';
comment on column proxy.proxy_resolutions.observed_at is 'Database clock, before the registry was asked; of a cached answer, when it was.';
comment on column proxy.proxy_resolutions.expires_at is 'Until when a claim may rest on it: observed_at and the policy''s ttl_ms.';
comment on column proxy.proxy_resolutions.latency_us is 'Microseconds from the question to the answer, measured by the resolver; not part of the commitment.';

create table proxy.proxy_resolution_current (
  participant_id text collate "C" not null,
  proxy_type text collate "C" not null,
  proxy_hash bytea not null,
  hash_key_id text collate "C" not null,
  status proxy.resolution_status not null,
  beneficiary_participant_id text collate "C",
  sealed_beneficiary bytea,
  source text collate "C" not null,
  source_version text collate "C",
  response_sha256 bytea not null,
  resolution_id uuid not null,
  observed_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (participant_id, proxy_type, proxy_hash),
  constraint current_resolution_can_be_used check ((status = 'RESOLVED') = (sealed_beneficiary is not null and beneficiary_participant_id is not null)),
  constraint current_resolution_is_an_answer check (status <> 'TEMP_UNAVAILABLE'),
  constraint current_beneficiary_is_bounded check (octet_length(sealed_beneficiary) <= 4096)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index ix_proxy_resolution_current_expiry on proxy.proxy_resolution_current (expires_at);
alter table proxy.proxy_resolution_current owner to symphony_proxy_owner;
comment on table proxy.proxy_resolution_current is
  'Cache: the newest answer about an alias, for the participant that asked; nobody else''s question meets it. Moves forward in time only.';
comment on column proxy.proxy_resolution_current.sealed_beneficiary is
  'AES-256-GCM under a key derived from the alias itself and the HMAC key: who does not know the alias cannot open it, nor can a reader of a dump.';

create table proxy.resolution_queue (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  proxy_type text collate "C" not null,
  accepted_at timestamptz not null,
  deadline_at timestamptz not null,
  due_at timestamptz not null,
  resolution_no integer not null,
  tries integer not null default 0,
  claimed_by text,
  claimed_at timestamptz,
  lease_token uuid,
  lease_expires_at timestamptz,
  primary key (participant_id, outbox_id),
  constraint queued_lease_is_whole check (
    (claimed_by is null) = (lease_token is null) and (claimed_by is null) = (claimed_at is null) and (claimed_by is null) = (lease_expires_at is null)),
  constraint queued_lease_ends_after_claim check (lease_expires_at > claimed_at)
) with (
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
);
create index ix_resolution_queue_order on proxy.resolution_queue (outbox_id);
create index ix_resolution_queue_deadline on proxy.resolution_queue (deadline_at);
alter table proxy.resolution_queue owner to symphony_proxy_owner;
comment on table proxy.resolution_queue is
  'Hot: aliases to be resolved, oldest instruction first. Waiting and leased in one row, for asking twice moves no money. due_at and the lease are not indexed, so that they change in place.';
comment on column proxy.resolution_queue.deadline_at is 'When the policy''s patience ends (pending_max_ms): the instruction is VOIDED and a case opened.';
comment on column proxy.resolution_queue.tries is 'Answers in a row that were none, for the back-off.';

create table proxy.miss_counts (
  participant_id text collate "C" not null,
  hour timestamptz not null,
  misses integer not null,
  primary key (participant_id, hour),
  constraint miss_counts_are_positive check (misses >= 1)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table proxy.miss_counts owner to symphony_proxy_owner;
comment on table proxy.miss_counts is 'Aliases per participant and hour that nobody stands behind: whoever guesses aliases is stopped at the policy''s misses_per_hour_max.';

create type proxy.awaiting as (participant_id text, outbox_id uuid, proxy_type text, accepted_at timestamptz);
alter type proxy.awaiting owner to symphony_proxy_owner;
comment on type proxy.awaiting is 'An instruction whose alias is to be resolved (proxy.await_resolutions).';
create type proxy.lease as (participant_id text, outbox_id uuid, lease_token uuid);
alter type proxy.lease owner to symphony_proxy_owner;
comment on type proxy.lease is 'A lease as its holder names it.';
create type proxy.alias_key as (participant_id text, proxy_type text, proxy_hash bytea);
alter type proxy.alias_key owner to symphony_proxy_owner;
comment on type proxy.alias_key is 'An alias as the cache knows it (proxy.lookup).';
create type proxy.resolution as (
  participant_id text, outbox_id uuid, lease_token uuid, proxy_type text, proxy_hash bytea, hash_key_id text, cached_hash bytea,
  status proxy.resolution_status, reason_code text, beneficiary_participant_id text, beneficiary_commitment bytea, sealed_beneficiary bytea,
  source text, source_version text, response_sha256 bytea, latency_us bigint
);
alter type proxy.resolution owner to symphony_proxy_owner;
comment on type proxy.resolution is
  'An answer about a leased alias (proxy.record_proxy_resolutions). cached_hash set: it came from the cache, under that hash; then the cache row says when and where it was observed.';
create type proxy.recorded_resolution as (
  participant_id text, outbox_id uuid, lease_token uuid, outcome text, reason_code text, resolution_id uuid, expires_at timestamptz,
  beneficiary_participant_id text, observed_at timestamptz, source text, source_version text, response_sha256 bytea
);
alter type proxy.recorded_resolution owner to symphony_proxy_owner;
comment on type proxy.recorded_resolution is 'What became of one lease: ADMIT, REFUSE, RETRY, or STALE (the cache moved on; due again now).';

create table policy.participant_proxies (
  policy_version integer not null,
  participant_id text collate "C" not null,
  mode text collate "C" not null,
  ttl_ms integer not null,
  pending_max_ms integer not null,
  sync_budget_ms integer not null,
  misses_per_hour_max integer not null,
  primary key (policy_version, participant_id),
  foreign key (policy_version, participant_id) references policy.participants,
  constraint proxy_mode_is_known check (mode in ('DEFER', 'SYNC', 'REFUSE')),
  constraint proxy_times_are_bounded check (
    ttl_ms between 1000 and 86400000 and pending_max_ms between 1000 and 86400000 and sync_budget_ms between 10 and 10000),
  constraint proxy_misses_are_finite check (misses_per_hour_max between 1 and 1000000)
);
alter table policy.participant_proxies owner to symphony_policy_owner;
comment on table policy.participant_proxies is
  'How a participant''s aliases are resolved: DEFER (afterwards), SYNC (inside the request) or REFUSE. Without a row: DEFER, an hour each, 100 misses (policy.list_proxy_rules).';
comment on column policy.participant_proxies.ttl_ms is 'How long an answer may be believed (milliseconds).';
comment on column policy.participant_proxies.pending_max_ms is 'How long an instruction waits for its alias (milliseconds); then VOIDED and a case.';
comment on column policy.participant_proxies.sync_budget_ms is 'SYNC: the longest a request waits for the registry (milliseconds).';
comment on column policy.participant_proxies.misses_per_hour_max is 'Aliases an hour that may turn out to be nobody''s (count); above it the participant''s aliases are refused.';

create type outbox.alias_answer as (
  participant_id text, outbox_id uuid, lease_token uuid, proxy_hash bytea, hash_key_id text, cached_hash bytea, status text,
  reason_code text, beneficiary_participant_id text, beneficiary text, sealed_beneficiary bytea, source text, source_version text,
  response_sha256 bytea, latency_us bigint
);
alter type outbox.alias_answer owner to symphony_outbox_owner;
comment on type outbox.alias_answer is
  'What a registry, or the cache, said of one alias (outbox.record_resolutions). beneficiary is RFC 8785 JSON with account and, where the registry tells, name and agent.';

create type outbox.known_alias as (participant_id text, outbox_id uuid, parties text, earlier text, creditor_participant_id text, beneficiary text);
alter type outbox.known_alias owner to symphony_outbox_owner;
comment on type outbox.known_alias is 'An answered alias beside its instruction: whom the payer named, whom it stood for earlier, whom it stands for now.';

create table core.reason_taxonomy (
  taxonomy_version integer not null,
  reason_code text collate "C" not null references core.reasons,
  iso_code text collate "C",
  iso_name text collate "C",
  terminal boolean not null,
  auto_retry boolean not null,
  next_action text not null,
  edition text collate "C" not null,
  published_by text not null,
  published_at timestamptz not null,
  primary key (taxonomy_version, reason_code),
  constraint taxonomy_version_is_positive check (taxonomy_version >= 1),
  constraint taxonomy_code_has_its_name check ((iso_code is null) = (iso_name is null) and iso_code ~ '^[A-Z0-9]{4}$'),
  constraint taxonomy_terminal_is_not_retried check (not (terminal and auto_retry)),
  constraint taxonomy_is_named check (length(edition) between 1 and 64 and published_by ~ '\S' and length(published_by) <= 100 and next_action ~ '\S')
);
alter table core.reason_taxonomy owner to symphony_core_owner;
comment on table core.reason_taxonomy is
  'Append-only versions of what our reasons mean to others: ISO 20022 ExternalStatusReason1Code, whether the instruction is over, what to do. The highest version counts.';
comment on column core.reason_taxonomy.iso_code is 'Null where ISO 20022 has no code for it: our own code then stands in StsRsnInf/AddtlInf.';
comment on column core.reason_taxonomy.edition is 'Edition of the ISO 20022 external code sets the names were taken from.';

revoke all on type proxy.resolution_status, proxy.awaiting, proxy.lease, proxy.alias_key, proxy.resolution, proxy.recorded_resolution, outbox.alias_answer, outbox.known_alias from public;

insert into core.errors (sqlstate, name, message, hint) values
  ('SV004', 'reason_taxonomy_invalid', 'the reason taxonomy is not complete and consistent, or names a reason that is not registered', 'Compare with the documented form.'),
  ('SC002', 'reason_taxonomy_version_not_next', 'versions of the reason taxonomy grow one by one', 'Use the next version number.'),
  ('SV301', 'resolution_incomplete', 'a resolution needs every member in its documented form', 'Fill or correct the member.'),
  ('SV302', 'resolver_call_out_of_bounds', 'a resolver names itself in 1 to 64 characters and asks for 1 to 1000 items and leases of 1 s to 10 min', 'Correct the call.'),
  ('SX301', 'cache_moved_backwards', 'a cached resolution would be replaced by an older one', 'Report it: no function does that.'),
  ('SX403', 'alias_hash_is_bare', 'an alias hash can be computed without a key', 'Hash aliases with the HMAC key; rotate what was written.');

insert into core.reasons (reason_code, http_status, meaning, next_action) values
  ('PROXY_INVALID_FORMAT', 422, 'the alias does not have the form of its type', 'fix the alias, or name an account'),
  ('PROXY_TYPE_UNSUPPORTED', 422, 'aliases of this type are not resolved here', 'use another alias, or name an account'),
  ('PROXY_REFUSED_BY_POLICY', 403, 'the participant may not name creditors by alias', 'name an account, or ask the operator'),
  ('PROXY_THROTTLED', 429, 'too many of the participant''s aliases were nobody''s within the hour', 'check the aliases; wait for the next hour'),
  ('PROXY_NOT_FOUND', 422, 'the registry knows no beneficiary for the alias', 'correct the alias or give the account; new instruction'),
  ('PROXY_INVALID', 422, 'the registry says that the alias is none', 'correct the alias or give the account; new instruction'),
  ('PROXY_REVOKED', 422, 'the registry says that the alias was revoked', 'confirm the account with the payee; new instruction'),
  ('PROXY_AMBIGUOUS', 422, 'the alias stands for accounts at several providers', 'name the creditor''s participant; new instruction'),
  ('PROXY_REGISTRY_UNAVAILABLE', 503, 'the alias registry gave no answer in time', 'retry later with the same key'),
  ('PROXY_REGISTRY_TIMEOUT', 503, 'the alias registry did not answer within the time of one call', 'none: it is asked again'),
  ('PROXY_REGISTRY_ERROR', 503, 'the alias registry failed on this question', 'none: it is asked again'),
  ('PROXY_ANSWER_UNUSABLE', 503, 'the alias registry answered about something else, or unreadably', 'operator: look at the registry'),
  ('PROXY_TARGET_CHANGED', 422, 'the alias now stands for another beneficiary than when it was resolved or instructed', 'have the payer confirm the payee; new instruction'),
  ('PROXY_BENEFICIARY_NOT_ALLOWED', 422, 'the alias stands for an account at a participant that may not receive', 'use another account; new instruction');
