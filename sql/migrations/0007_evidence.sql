-- evidence: what no other ledger already says, and the cases that wait for people.

create table evidence.evidence_events (
  participant_id text collate "C" not null,
  event_id uuid not null,
  kind text collate "C" not null,
  outbox_id uuid,
  actor text not null,
  facts jsonb not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, event_id),
  constraint event_kind_is_upper_snake check (kind ~ '^[A-Z][A-Z0-9_]{1,63}$'),
  constraint event_commitment_is_sha256 check (octet_length(commitment) = 32)
) partition by range (event_id);
create index ix_evidence_events_instruction on evidence.evidence_events (participant_id, outbox_id) where outbox_id is not null;
alter table evidence.evidence_events owner to symphony_evidence_owner;
comment on table evidence.evidence_events is 'Append-only: operator actions, policy changes, callbacks, contradictions. Never what another ledger row proves.';
comment on column evidence.evidence_events.participant_id is 'The participant concerned; «-» when it concerns none in particular.';
comment on column evidence.evidence_events.facts is 'Ids, codes and hashes; never personal data.';
insert into core.month_partitioned values ('evidence', 'evidence_events', 'event_id', true, 6);

create table evidence.cases (
  participant_id text collate "C" not null,
  case_id uuid not null,
  kind text collate "C" not null,
  outbox_id uuid,
  facts jsonb not null,
  next_action text not null,
  opened_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, case_id),
  constraint case_kind_is_upper_snake check (kind ~ '^[A-Z][A-Z0-9_]{1,63}$'),
  constraint case_commitment_is_sha256 check (octet_length(commitment) = 32)
);
create unique index ux_cases_one_kind_per_instruction on evidence.cases (participant_id, outbox_id, kind) where outbox_id is not null;
alter table evidence.cases owner to symphony_evidence_owner;
comment on table evidence.cases is 'Append-only: what a person must look at. At most one case of a kind per instruction.';

create table evidence.case_decisions (
  participant_id text collate "C" not null,
  case_id uuid not null,
  decision text collate "C" not null,
  maker text not null,
  checker text not null,
  reason text not null,
  decided_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, case_id),
  foreign key (participant_id, case_id) references evidence.cases,
  constraint case_decision_is_known check (decision in ('EXECUTED', 'NOT_EXECUTED', 'RESENT', 'NO_ACTION')),
  constraint case_decision_needs_two_identities check (maker <> checker and maker <> '' and checker <> ''),
  constraint case_decision_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table evidence.case_decisions owner to symphony_evidence_owner;
comment on table evidence.case_decisions is 'Append-only: a person''s resolution of a case, by two identities. A resend is a new instruction linked to the old one.';

create type evidence.new_case as (participant_id text, kind text, outbox_id uuid, facts jsonb, next_action text);
comment on type evidence.new_case is 'A case to open (evidence.open_cases).';
