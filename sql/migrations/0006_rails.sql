-- rails: what the rails said, and what their words mean.

create type rails.phase as enum ('NONE', 'SUBMIT', 'QUERY');

create table rails.response_classes (
  rail text collate "C" not null,
  version integer not null,
  phase rails.phase not null,
  rail_code text collate "C" not null,
  answer_class outbox.answer_class not null,
  meaning text not null,
  owner text not null,
  published_by text not null,
  published_at timestamptz not null,
  primary key (rail, version, phase, rail_code),
  constraint response_class_version_is_positive check (version >= 1),
  constraint response_class_belongs_to_its_phase check (
    case phase
      when 'NONE' then answer_class in ('RELEASED', 'REFUSED_BEFORE_CALL')
      when 'SUBMIT' then answer_class in ('ACCEPTED', 'REJECTED', 'NOT_SENT', 'UNCERTAIN')
      else answer_class in ('ACCEPTED', 'REJECTED', 'UNCERTAIN', 'NOT_FOUND')
    end)
);
alter table rails.response_classes owner to symphony_rails_owner;
comment on table rails.response_classes is
  'Append-only and versioned: what each answer of a rail means; the highest version of a rail counts. An unmapped code is uncertain. Rail «*» holds for every rail.';

insert into rails.response_classes (rail, version, phase, rail_code, answer_class, meaning, owner, published_by, published_at) values
  ('*', 1, 'SUBMIT', 'CONNECT_FAILED', 'NOT_SENT', 'no connection was made, so no byte left us', 'symphony', 'migration 0006', now()),
  ('*', 1, 'NONE', 'RELEASED', 'RELEASED', 'claimed, not called, given back', 'symphony', 'migration 0006', now()),
  ('*', 1, 'NONE', 'REFUSED_BEFORE_CALL', 'REFUSED_BEFORE_CALL', 'the adapter cannot express the instruction', 'symphony', 'migration 0006', now());

create table rails.rail_messages (
  participant_id text collate "C" not null,
  message_id uuid not null,
  outbox_id uuid not null,
  rail text collate "C" not null,
  phase rails.phase not null,
  rail_code text collate "C" not null,
  rail_reference text collate "C",
  answer_class outbox.answer_class not null,
  outcome text collate "C" not null,
  claimed_by text not null,
  lease_token uuid not null,
  echoed_amount_minor bigint,
  echoed_currency text collate "C",
  request_sha256 bytea,
  response_sha256 bytea,
  latency_us bigint,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, message_id),
  constraint rail_message_words_are_codes check (
    length(rail_code) <= 64 and rail_code !~ '[^A-Za-z0-9._:/+-]' and length(rail_reference) <= 64
    and rail_reference !~ '[^A-Za-z0-9._:/+-]' and length(echoed_currency) <= 3),
  constraint rail_message_commitment_is_sha256 check (octet_length(commitment) = 32)
) partition by range (message_id);
create index ix_rail_messages_instruction on rails.rail_messages (participant_id, outbox_id);
alter table rails.rail_messages owner to symphony_rails_owner;
comment on table rails.rail_messages is
  'Append-only: every exchange that did not end an attempt (uncertain answers, enquiries, answers of a worker that had lost its lease). An exchange that did stands on its outcome row.';
comment on column rails.rail_messages.outcome is 'What the outbox made of it: ENQUIRE, LEASE_LOST.';
insert into core.month_partitioned values ('rails', 'rail_messages', 'message_id', true, 5);

create type rails.answer as (
  participant_id text, outbox_id uuid, lease_token uuid, rail text, phase text, rail_code text, rail_reference text,
  echoed_amount_minor bigint, echoed_currency text, request_sha256 bytea, response_sha256 bytea, latency_us bigint
);
comment on type rails.answer is 'One exchange as the worker saw it; the database classifies it.';
