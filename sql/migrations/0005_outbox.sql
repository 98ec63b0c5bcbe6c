-- outbox: instructions, their permanent idempotency, the queue, the leases and the attempts.

create type outbox.attempt_state as enum (
  'DISPATCHING', 'RETRYABLE', 'ZOMBIE_REQUEUE', 'DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');
create type outbox.next_action as enum ('DISPATCH', 'ENQUIRE');
create type outbox.answer_class as enum (
  'ACCEPTED', 'REJECTED', 'NOT_SENT', 'UNCERTAIN', 'NOT_FOUND', 'REFUSED_BEFORE_CALL', 'RELEASED');

create table outbox.payment_instructions (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  sequence_id bigint not null,
  attestation_id uuid not null,
  instruction_id text collate "C" not null,
  idempotency_key text collate "C" not null,
  rail text collate "C" not null,
  currency text collate "C" not null,
  amount_minor bigint not null,
  creditor_participant_id text collate "C",
  end_to_end_id text collate "C",
  purpose text collate "C",
  uetr uuid,
  requires_proxy boolean not null default false,
  initial_state text collate "C" not null,
  payload_sha256 bytea not null,
  parties_commitment bytea not null,
  policy_version integer not null,
  limit_day date not null,
  received_at timestamptz not null,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  replaces_outbox_id uuid,
  primary key (participant_id, outbox_id),
  foreign key (participant_id, attestation_id) references ingress.ingress_attestations,
  constraint instruction_participant_is_an_identifier check (participant_id !~ '[^A-Z0-9._-]' and length(participant_id) between 1 and 32),
  constraint instruction_id_is_an_identifier check (instruction_id !~ '[^A-Za-z0-9._:/+-]' and length(instruction_id) between 1 and 64),
  constraint instruction_key_is_an_identifier check (idempotency_key !~ '[^A-Za-z0-9._:/+-]' and length(idempotency_key) between 1 and 64),
  constraint instruction_amount_is_positive check (amount_minor > 0),
  constraint instruction_currency_is_iso_4217_form check (currency !~ '[^A-Z]' and length(currency) = 3),
  constraint instruction_sequence_is_positive check (sequence_id > 0),
  constraint instruction_texts_are_bounded check (
    length(end_to_end_id) <= 35 and end_to_end_id !~ '[^ -~]' and length(purpose) <= 4 and length(creditor_participant_id) <= 32 and length(rail) <= 32),
  constraint instruction_hashes_are_sha256 check (
    octet_length(payload_sha256) = 32 and octet_length(parties_commitment) = 32 and octet_length(commitment) = 32),
  constraint instruction_initial_state_is_known check (initial_state in ('PENDING', 'AWAITING_PROXY_RESOLUTION'))
) partition by range (outbox_id);
alter table outbox.payment_instructions owner to symphony_outbox_owner;
comment on table outbox.payment_instructions is 'Append-only: the intent as recorded. No personal data; the parties stand in outbox.instruction_parties.';
comment on column outbox.payment_instructions.sequence_id is 'Gap-free per participant, in order of recording.';
comment on column outbox.payment_instructions.amount_minor is 'Minor units of the ISO 4217 currency.';
comment on column outbox.payment_instructions.payload_sha256 is
  'SHA-256 of the RFC 8785 object of the typed columns (outbox.payload_sha256), so an auditor can recompute it from the row.';
comment on column outbox.payment_instructions.parties_commitment is 'SHA-256(salt || RFC 8785 parties); the salt is erased with the parties.';
comment on column outbox.payment_instructions.commitment is 'SHA-256 of the RFC 8785 array of the row''s fields; the receipt_hash of the 202 answer.';
comment on column outbox.payment_instructions.replaces_outbox_id is 'The instruction that a person decided to send again as this new one.';
insert into core.month_partitioned values ('outbox', 'payment_instructions', 'outbox_id', true, 2);

create table outbox.instruction_parties (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  salt bytea,
  parties text,
  erased_at timestamptz,
  primary key (participant_id, outbox_id),
  constraint parties_are_whole_or_erased check (
    (erased_at is null) = (salt is not null) and (erased_at is null) = (parties is not null))
) partition by range (outbox_id);
alter table outbox.instruction_parties owner to symphony_outbox_owner;
comment on table outbox.instruction_parties is
  'Erasable: the only place with personal data (names, accounts, aliases, remittance text). Erasing keeps the row and empties it.';
comment on column outbox.instruction_parties.parties is 'RFC 8785 JSON text.';
comment on column outbox.instruction_parties.salt is '16 random bytes; without it the ledger''s commitment says nothing about the parties.';
insert into core.month_partitioned values ('outbox', 'instruction_parties', 'outbox_id', false, 3);

create table outbox.idempotency_ledger (
  participant_id text collate "C" not null,
  instruction_id text collate "C" not null,
  idempotency_key text collate "C" not null,
  outbox_id uuid not null,
  primary key (participant_id, instruction_id),
  constraint idempotency_key_once_per_participant unique (participant_id, idempotency_key)
) partition by hash (participant_id);
alter table outbox.idempotency_ledger owner to symphony_outbox_owner;
create table outbox.idempotency_ledger_0 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 0);
create table outbox.idempotency_ledger_1 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 1);
create table outbox.idempotency_ledger_2 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 2);
create table outbox.idempotency_ledger_3 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 3);
create table outbox.idempotency_ledger_4 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 4);
create table outbox.idempotency_ledger_5 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 5);
create table outbox.idempotency_ledger_6 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 6);
create table outbox.idempotency_ledger_7 partition of outbox.idempotency_ledger for values with (modulus 8, remainder 7);
alter table outbox.idempotency_ledger_0 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_1 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_2 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_3 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_4 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_5 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_6 owner to symphony_outbox_owner;
alter table outbox.idempotency_ledger_7 owner to symphony_outbox_owner;
comment on table outbox.idempotency_ledger is
  'Append-only and permanent: both the participant''s instruction id and its idempotency key lead to one instruction for ever. HASH-partitioned, for its keys are not time-ordered.';

create table outbox.idempotency_key_aliases (
  participant_id text collate "C" not null,
  idempotency_key text collate "C" not null,
  outbox_id uuid not null,
  primary key (participant_id, idempotency_key)
);
alter table outbox.idempotency_key_aliases owner to symphony_outbox_owner;
comment on table outbox.idempotency_key_aliases is
  'Append-only: further keys under which an instruction was sent again and replayed; such a key is used up too.';

create table outbox.participant_outbox_sequences (
  participant_id text collate "C" primary key,
  last_sequence_id bigint not null,
  constraint sequence_is_never_negative check (last_sequence_id >= 0)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table outbox.participant_outbox_sequences owner to symphony_outbox_owner;
comment on table outbox.participant_outbox_sequences is
  'The last sequence given to each participant. Its row lock is also the participant''s lock in accept: taken once per batch, in sorted order.';

create table outbox.payment_outbox_pending (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  sequence_id bigint not null,
  parent_attestation_id uuid not null,
  rail text collate "C" not null,
  creditor_participant_id text collate "C",
  currency text collate "C" not null,
  amount_minor bigint not null,
  limit_day date not null,
  created_at timestamptz not null,
  due_at timestamptz not null,
  last_sent_at timestamptz,
  next_action outbox.next_action not null,
  attempt_no integer not null default 0,
  retries_used integer not null default 0,
  enquiries_used integer not null default 0,
  entry_no integer not null default 0,
  acceptance_seen boolean not null default false,
  constraint pending_sequence_once primary key (participant_id, sequence_id),
  constraint pending_due_not_before_created check (due_at >= created_at),
  constraint pending_accepted_is_not_sent_again check (next_action = 'ENQUIRE' or not acceptance_seen),
  constraint pending_enquiry_follows_a_send check (next_action = 'DISPATCH' or last_sent_at is not null)
) with (
  fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
  autovacuum_vacuum_cost_delay = 0
);
create index ix_pending_due on outbox.payment_outbox_pending (rail, due_at);
alter table outbox.payment_outbox_pending owner to symphony_outbox_owner;
comment on table outbox.payment_outbox_pending is 'Hot and narrow: what is due, or will be. A row is in pending, in flight, or has a terminal attempt; never two of them. Keyed by the sequence, for every index of a queue is paid for three times.';
comment on column outbox.payment_outbox_pending.last_sent_at is 'The last moment at which a call may have left us; the rail''s settle time counts from it.';
comment on column outbox.payment_outbox_pending.acceptance_seen is
  'The rail once said ACCEPTED, unusably (another amount, no reference) or too late: never sent again, whatever an enquiry says.';
comment on column outbox.payment_outbox_pending.entry_no is 'Attempt rows written so far.';
comment on index outbox.ix_pending_due is 'The claim reads it from the claim cursor on (outbox.claim_gate).';

create table outbox.payment_outbox_in_flight (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  sequence_id bigint not null,
  parent_attestation_id uuid not null,
  rail text collate "C" not null,
  creditor_participant_id text collate "C",
  currency text collate "C" not null,
  amount_minor bigint not null,
  limit_day date not null,
  created_at timestamptz not null,
  last_sent_at timestamptz,
  next_action outbox.next_action not null,
  attempt_no integer not null,
  retries_used integer not null,
  enquiries_used integer not null,
  entry_no integer not null,
  acceptance_seen boolean not null,
  claimed_by text not null,
  claimed_at timestamptz not null,
  lease_token uuid not null,
  lease_expires_at timestamptz not null,
  primary key (participant_id, outbox_id),
  constraint in_flight_lease_ends_after_claim check (lease_expires_at > claimed_at)
) with (
  fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
  autovacuum_vacuum_cost_delay = 0
);
alter table outbox.payment_outbox_in_flight owner to symphony_outbox_owner;
comment on table outbox.payment_outbox_in_flight is 'Hot: the lease. Completion must match participant, instruction, worker, token and an unexpired lease. One index only: every claim counts it for the caps.';

create table outbox.claim_gate (
  rail text collate "C" primary key,
  cursor_due_at timestamptz not null,
  full_scan_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table outbox.claim_gate owner to symphony_outbox_owner;
comment on table outbox.claim_gate is
  'Claims take the row «*» one after another, which makes the caps exact; the cursor spares them the dead index entries in front of the live ones.';
insert into outbox.claim_gate (rail, cursor_due_at, full_scan_at) values ('*', '-infinity', '-infinity');
comment on column outbox.claim_gate.rail is '«*» is the gate every claim takes; the others hold the cursor of their rail.';
comment on column outbox.claim_gate.cursor_due_at is 'Nothing due before this was left by the last claim; ignored once a second, so a late committer waits at most that long.';

create table outbox.payment_outbox_attempts (
  participant_id text collate "C" not null,
  outbox_id uuid not null,
  entry_no integer not null,
  attempt_no integer not null,
  state outbox.attempt_state not null,
  action outbox.next_action not null,
  reason_code text collate "C" references core.reasons,
  claimed_by text not null,
  lease_token uuid not null,
  rail text collate "C" not null,
  rail_code text collate "C",
  rail_reference text collate "C",
  echoed_amount_minor bigint,
  echoed_currency text collate "C",
  request_sha256 bytea,
  response_sha256 bytea,
  latency_us bigint,
  recorded_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (participant_id, outbox_id, entry_no),
  foreign key (participant_id, outbox_id) references outbox.payment_instructions,
  constraint dispatched_has_a_rail_reference check (state <> 'DISPATCHED' or rail_reference is not null),
  constraint ending_has_a_reason check (state in ('DISPATCHING', 'DISPATCHED') or reason_code is not null),
  constraint attempt_rail_words_are_codes check (
    length(rail_code) <= 64 and rail_code !~ '[^A-Za-z0-9._:/+-]' and length(rail_reference) <= 64
    and rail_reference !~ '[^A-Za-z0-9._:/+-]' and length(echoed_currency) <= 3),
  constraint attempt_commitment_is_sha256 check (octet_length(commitment) = 32)
) partition by range (outbox_id);
create unique index ux_attempts_one_terminal_per_outbox on outbox.payment_outbox_attempts (participant_id, outbox_id)
  where state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');
alter table outbox.payment_outbox_attempts owner to symphony_outbox_owner;
comment on table outbox.payment_outbox_attempts is
  'Append-only: DISPATCHING when claimed for dispatch, then one outcome row; ZOMBIE_REQUEUE when a lease was lost. The exchange that led to an outcome stands on its row, every other one in rails.rail_messages.';
comment on index outbox.ux_attempts_one_terminal_per_outbox is 'At most one terminal outcome per instruction, whatever crashes, retries, replays or races.';
comment on column outbox.payment_outbox_attempts.latency_us is 'Microseconds from sending to the answer, measured by the worker; not part of the commitment.';
insert into core.month_partitioned values ('outbox', 'payment_outbox_attempts', 'outbox_id', true, 4);

create type outbox.intent as (
  item_no integer, participant_id text, outbox_id uuid, attestation_id uuid, instruction_id text, idempotency_key text,
  rail text, currency text, amount_minor bigint, creditor_participant_id text, end_to_end_id text, purpose text,
  uetr uuid, requires_proxy boolean, parties text, payload_sha256 bytea, received_at timestamptz, twin boolean
);
comment on type outbox.intent is 'An instruction on its way into the outbox. twin: an earlier item of the batch has the same key or id.';
create type outbox.recorded as (
  item_no integer, same_content boolean, outbox_id uuid, sequence_id bigint, state text, received_at timestamptz,
  policy_version integer, receipt_hash bytea, attestation_id uuid
);
comment on type outbox.recorded is 'What was answered when the instruction was recorded; a replay repeats it.';
create type outbox.outcome as (
  participant_id text, outbox_id uuid, lease_token uuid, outcome text, reason_code text, limit_day date, currency text, amount_minor bigint,
  facts jsonb
);
comment on type outbox.outcome is 'What became of one completed lease.';
create type outbox.result as (
  participant_id text, outbox_id uuid, lease_token uuid, rail text, answer_class outbox.answer_class, rail_code text,
  rail_reference text, echoed_amount_minor bigint, echoed_currency text, request_sha256 bytea, response_sha256 bytea,
  latency_us bigint
);
comment on type outbox.result is 'A classified answer for one leased instruction (outbox.complete_outbox_attempts).';
create type outbox.lease as (participant_id text, outbox_id uuid, lease_token uuid);
comment on type outbox.lease is 'A lease as its holder names it.';
create type outbox.claim_room as (
  free integer, lease interval, cursor_due_at timestamptz, dispatch_halted boolean, participant_ids text[], participant_free integer[],
  full_participants text[], halted_senders text[], halted_receivers text[]
);
comment on type outbox.claim_room is 'Room under the caps, halts in force and the claim cursor (outbox.open_claim_gate).';
