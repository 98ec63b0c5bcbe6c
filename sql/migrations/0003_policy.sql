-- policy: what may be done, by whom, how much, and what is stopped.

create type policy.version_status as enum ('DRAFT', 'ACTIVE', 'RETIRED');
create type policy.participant_status as enum ('ACTIVE', 'SEND_ONLY', 'RECEIVE_ONLY', 'SUSPENDED');
create type policy.halt_scope as enum ('GLOBAL', 'RAIL', 'PARTICIPANT');
create type policy.halt_direction as enum ('SEND', 'RECEIVE', 'BOTH');

create table policy.policy_versions (
  policy_version integer primary key,
  checksum bytea not null,
  content jsonb not null,
  status policy.version_status not null default 'DRAFT',
  time_zone text not null,
  in_flight_cap_global integer not null,
  proposed_by text not null,
  proposed_at timestamptz not null,
  activated_by text,
  activated_at timestamptz,
  retired_at timestamptz,
  constraint policy_version_is_positive check (policy_version >= 1),
  constraint policy_checksum_is_sha256 check (octet_length(checksum) = 32),
  constraint policy_in_flight_cap_is_finite check (in_flight_cap_global between 1 and 1000000),
  constraint policy_active_has_activation check ((status = 'DRAFT') = (activated_at is null)),
  constraint policy_activation_is_named check ((activated_at is null) = (activated_by is null)),
  constraint policy_retired_has_time check ((status = 'RETIRED') = (retired_at is not null))
);
create unique index ux_policy_versions_one_active on policy.policy_versions (status) where status = 'ACTIVE';
alter table policy.policy_versions owner to symphony_policy_owner;
comment on table policy.policy_versions is
  'Append-only policy documents; only policy.activate moves the status DRAFT, ACTIVE, RETIRED. Exactly one is ACTIVE.';
comment on column policy.policy_versions.checksum is 'SHA-256 of the RFC 8785 form of content, computed by the database.';
comment on column policy.policy_versions.time_zone is 'IANA zone in which the day of a day limit begins.';

create table policy.participants (
  policy_version integer not null references policy.policy_versions,
  participant_id text collate "C" not null,
  tenant_id text collate "C" not null,
  home_cell_id text collate "C" not null,
  home_cell_epoch integer not null,
  status policy.participant_status not null,
  in_flight_cap integer not null,
  primary key (policy_version, participant_id),
  constraint participant_id_is_an_identifier check (participant_id !~ '[^A-Z0-9._-]' and length(participant_id) between 1 and 32),
  constraint participant_in_flight_cap_is_finite check (in_flight_cap between 1 and 1000000)
);
alter table policy.participants owner to symphony_policy_owner;
comment on table policy.participants is 'Participants of a policy version: status, home cell (the fence of DESIGN 13) and in-flight cap.';

create table policy.participant_rails (
  policy_version integer not null,
  participant_id text collate "C" not null,
  rail text collate "C" not null,
  primary key (policy_version, participant_id, rail),
  foreign key (policy_version, participant_id) references policy.participants
);
alter table policy.participant_rails owner to symphony_policy_owner;
comment on table policy.participant_rails is 'Allow-list: the rails a participant may send on. Absent means refused.';

create table policy.participant_limits (
  policy_version integer not null,
  participant_id text collate "C" not null,
  currency text collate "C" not null,
  transaction_max_minor bigint not null,
  day_value_max_minor bigint not null,
  day_count_max bigint not null,
  primary key (policy_version, participant_id, currency),
  foreign key (policy_version, participant_id) references policy.participants,
  constraint limit_currency_is_iso_4217_form check (currency !~ '[^A-Z]' and length(currency) = 3),
  constraint limits_are_positive check (
    transaction_max_minor between 1 and 9007199254740991 and day_value_max_minor between 1 and 4000000000000000000
    and day_count_max between 1 and 1000000000000)
);
alter table policy.participant_limits owner to symphony_policy_owner;
comment on table policy.participant_limits is
  'Caps per transaction and per day, by value in minor units and by count. A currency without a row is not allowed.';

create table policy.rails (
  policy_version integer not null references policy.policy_versions,
  rail text collate "C" not null,
  in_flight_cap integer not null,
  lease_ms integer not null,
  settle_ms integer not null,
  retry_max smallint not null,
  retry_base_ms integer not null,
  retry_cap_ms integer not null,
  enquiry_after_ms integer[] not null,
  primary key (policy_version, rail),
  constraint rail_is_an_identifier check (rail !~ '[^a-z0-9_-]' and length(rail) between 1 and 32),
  constraint rail_in_flight_cap_is_finite check (in_flight_cap between 1 and 1000000),
  constraint rail_lease_is_bounded check (lease_ms between 1000 and 600000),
  constraint rail_settle_is_bounded check (settle_ms between 0 and 86400000),
  constraint rail_retry_ceiling_is_finite check (retry_max between 0 and 100),
  constraint rail_backoff_is_bounded check (retry_base_ms between 1 and retry_cap_ms and retry_cap_ms <= 3600000),
  constraint rail_enquiry_ladder_is_finite check (
    cardinality(enquiry_after_ms) between 1 and 10 and array_ndims(enquiry_after_ms) = 1
    and array_position(enquiry_after_ms, null) is null and 0 < all (enquiry_after_ms))
);
alter table policy.rails owner to symphony_policy_owner;
comment on table policy.rails is 'Budgets per rail: caps, lease, settle time, retry ceiling and back-off, enquiry ladder. All finite.';
comment on column policy.rails.settle_ms is 'Milliseconds after the last possible send during which «not found» from the rail means nothing.';
comment on column policy.rails.enquiry_after_ms is 'Waits before the 1st, 2nd, ... enquiry; the end of the ladder is PENDING_MANUAL.';

create table policy.rail_currencies (
  policy_version integer not null,
  rail text collate "C" not null,
  currency text collate "C" not null,
  primary key (policy_version, rail, currency),
  foreign key (policy_version, rail) references policy.rails,
  constraint rail_currency_is_iso_4217_form check (currency !~ '[^A-Z]' and length(currency) = 3)
);
alter table policy.rail_currencies owner to symphony_policy_owner;
comment on table policy.rail_currencies is 'Allow-list: the currencies a rail carries.';

create table policy.limit_usage (
  participant_id text collate "C" not null,
  limit_day date not null,
  currency text collate "C" not null,
  value_minor bigint not null,
  item_count bigint not null,
  primary key (participant_id, limit_day, currency),
  constraint limit_usage_is_never_negative check (value_minor >= 0 and item_count >= 0)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table policy.limit_usage owner to symphony_policy_owner;
comment on table policy.limit_usage is
  'What a participant has used of its day: raised by policy.decide at acceptance, given back by policy.release_usage when an instruction ends FAILED or VOIDED.';
comment on column policy.limit_usage.limit_day is 'Day in the policy''s time zone.';

create table policy.halts (
  entry_id uuid primary key default uuidv7(),
  halt_id uuid not null,
  action text collate "C" not null,
  scope policy.halt_scope not null,
  rail text collate "C",
  participant_id text collate "C",
  direction policy.halt_direction not null,
  operator text not null,
  reason text not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  constraint halt_is_set_or_lifted check (action in ('HALT', 'LIFT')),
  constraint halt_scope_has_its_subject check (
    (scope = 'RAIL') = (rail is not null) and (scope = 'PARTICIPANT') = (participant_id is not null)),
  constraint halt_operator_is_named check (length(operator) between 1 and 100 and length(reason) between 1 and 500),
  constraint halt_commitment_is_sha256 check (octet_length(commitment) = 32)
);
create unique index ux_halts_one_entry_per_action on policy.halts (halt_id, action);
alter table policy.halts owner to symphony_policy_owner;
comment on table policy.halts is 'Append-only kill-switch ledger: HALT and LIFT entries by named operators with a reason.';

create table policy.halts_in_force (
  halt_id uuid primary key,
  scope policy.halt_scope not null,
  rail text collate "C",
  participant_id text collate "C",
  direction policy.halt_direction not null,
  constraint halts_in_force_once unique nulls not distinct (scope, rail, participant_id, direction)
);
alter table policy.halts_in_force owner to symphony_policy_owner;
comment on table policy.halts_in_force is 'Projection of policy.halts kept by policy.halt and policy.lift_halt, small because it is read by every accept and claim.';

create type policy.payment as (
  item_no integer,
  participant_id text,
  rail text,
  currency text,
  amount_minor bigint,
  creditor_participant_id text
);
comment on type policy.payment is 'What policy.decide needs to know of an instruction.';
create type policy.usage as (participant_id text, limit_day date, currency text, amount_minor bigint);
comment on type policy.usage is 'Usage to give back (policy.release_usage): minor units of one instruction.';
