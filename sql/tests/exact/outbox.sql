-- outbox: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('outbox');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_executor:USAGE, symphony_ingest:USAGE, symphony_ingress_owner:USAGE, symphony_maintainer:USAGE, symphony_operator:USAGE, symphony_ops_owner:USAGE, symphony_rails_owner:USAGE, symphony_resolver:USAGE',
  'INV-005: who sees names in outbox') from pg_namespace where nspname = 'outbox';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('outbox.admit_resolutions(text,proxy.recorded_resolution[],text[],text[])', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.alias_target_reason(text,text,text,text,text,boolean)', 'sql', 'immutable', 'invoker', 'symphony_ingress_owner'),
  ('outbox.await_aliases(outbox.intent[],outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.bump_participant_outbox_seq(text[],integer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.check_worker_call(text,integer,interval)', 'plpgsql', 'stable', 'definer', ''),
  ('outbox.claim_outbox_batch(text,integer,text,interval)', 'plpgsql', 'volatile', 'definer', 'symphony_executor'),
  ('outbox.complete_outbox_attempts(text,outbox.result[])', 'plpgsql', 'volatile', 'definer', 'symphony_executor, symphony_rails_owner'),
  ('outbox.enqueue_answered(integer,date,outbox.intent[],outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner'),
  ('outbox.enqueue_batch(integer,date,outbox.intent[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner'),
  ('outbox.enqueue_payment_outbox(text,uuid,text,text,text,text,bigint,text,timestamp with time zone,text,text,text,uuid)', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('outbox.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('outbox.erase_parties(text,text,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('outbox.extend_leases(text,outbox.lease[],interval)', 'plpgsql', 'volatile', 'definer', 'symphony_executor'),
  ('outbox.find_recorded(outbox.intent[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner'),
  ('outbox.follow_up(outbox.outcome[])', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.guard_sequence()', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.instruction_status(text,text)', 'plpgsql', 'stable', 'definer', 'symphony_ingest, symphony_ingress_owner'),
  ('outbox.is_beneficiary(text)', 'sql', 'immutable', 'invoker', 'symphony_ingress_owner'),
  ('outbox.judge(outbox.next_action,outbox.answer_class,text,bigint,text,bigint,text,interval,boolean,integer,integer,integer,smallint,integer[])', 'plpgsql', 'stable', 'definer', ''),
  ('outbox.list_alias_answers(outbox.alias_answer[])', 'plpgsql', 'stable', 'definer', ''),
  ('outbox.lock_participants(text[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner'),
  ('outbox.open_claim_gate(text,integer)', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.paid_parties(text,text)', 'plpgsql', 'stable', 'definer', ''),
  ('outbox.payload_sha256(text,text,text,text,bigint,text,text,text,uuid,boolean)', 'sql', 'stable', 'invoker', 'symphony_ingress_owner'),
  ('outbox.read_leased_aliases(text,proxy.lease[])', 'plpgsql', 'stable', 'definer', 'symphony_resolver'),
  ('outbox.record_resolutions(text,outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', 'symphony_resolver'),
  ('outbox.repair_expired_leases(integer)', 'plpgsql', 'volatile', 'definer', 'symphony_executor, symphony_maintainer'),
  ('outbox.report_late_answers(outbox.result[])', 'plpgsql', 'volatile', 'definer', 'symphony_rails_owner'),
  ('outbox.tend_resolutions(text,integer)', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer, symphony_resolver'),
  ('outbox.void_unresolved(text,outbox.outcome[])', 'plpgsql', 'volatile', 'definer', ''),
  ('outbox.wait_before_next(outbox.next_action,text,integer,integer,integer,integer,integer[])', 'sql', 'volatile', 'invoker', ''),
  ('outbox.wake_executors()', 'plpgsql', 'volatile', 'definer', 'symphony_ingest, symphony_resolver');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('outbox')$$, $$select * from expected_functions$$, 'INV-005: functions of outbox and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('claim_gate', 'table', ''),
  ('idempotency_key_aliases', 'table', ''),
  ('idempotency_ledger', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('instruction_parties', 'partitioned', ''),
  ('participant_outbox_sequences', 'table', ''),
  ('payment_instructions', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('payment_outbox_attempts', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('payment_outbox_in_flight', 'table', 'symphony_ops_owner:SELECT'),
  ('payment_outbox_pending', 'table', 'symphony_ops_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('outbox')$$, $$select * from expected_relations$$, 'INV-010: relations of outbox and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('claim_gate', 'rail text, cursor_due_at timestamp with time zone, full_scan_at timestamp with time zone'),
  ('idempotency_key_aliases', 'participant_id text, idempotency_key text, outbox_id uuid'),
  ('idempotency_ledger', 'participant_id text, instruction_id text, idempotency_key text, outbox_id uuid'),
  ('instruction_parties', 'participant_id text, outbox_id uuid, salt bytea?, parties text?, erased_at timestamp with time zone?, beneficiary text?'),
  ('participant_outbox_sequences', 'participant_id text, last_sequence_id bigint'),
  ('payment_instructions', 'participant_id text, outbox_id uuid, sequence_id bigint, attestation_id uuid, instruction_id text, idempotency_key text, rail text, currency text, amount_minor bigint, creditor_participant_id text?, end_to_end_id text?, purpose text?, uetr uuid?, requires_proxy boolean, initial_state text, payload_sha256 bytea, parties_commitment bytea, policy_version integer, limit_day date, received_at timestamp with time zone, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8, replaces_outbox_id uuid?'),
  ('payment_outbox_attempts', 'participant_id text, outbox_id uuid, entry_no integer, attempt_no integer, state outbox.attempt_state, action outbox.next_action, reason_code text?, claimed_by text, lease_token uuid, rail text, rail_code text?, rail_reference text?, echoed_amount_minor bigint?, echoed_currency text?, request_sha256 bytea?, response_sha256 bytea?, latency_us bigint?, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8, resolution_id uuid?'),
  ('payment_outbox_in_flight', 'participant_id text, outbox_id uuid, sequence_id bigint, parent_attestation_id uuid, rail text, creditor_participant_id text?, currency text, amount_minor bigint, limit_day date, created_at timestamp with time zone, last_sent_at timestamp with time zone?, next_action outbox.next_action, attempt_no integer, retries_used integer, enquiries_used integer, entry_no integer, acceptance_seen boolean, claimed_by text, claimed_at timestamp with time zone, lease_token uuid, lease_expires_at timestamp with time zone, requires_proxy boolean, resolution_id uuid?, resolved_until timestamp with time zone?'),
  ('payment_outbox_pending', 'participant_id text, outbox_id uuid, sequence_id bigint, parent_attestation_id uuid, rail text, creditor_participant_id text?, currency text, amount_minor bigint, limit_day date, created_at timestamp with time zone, due_at timestamp with time zone, last_sent_at timestamp with time zone?, next_action outbox.next_action, attempt_no integer, retries_used integer, enquiries_used integer, entry_no integer, acceptance_seen boolean, requires_proxy boolean, resolution_id uuid?, resolved_until timestamp with time zone?');
select set_eq($$select relation, columns from pg_temp.columns('outbox')$$, $$select * from expected_columns$$, 'INV-004: columns of outbox («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('claim_gate', 'claim_gate_pkey', 'PRIMARY KEY (rail)'),
  ('idempotency_key_aliases', 'idempotency_key_aliases_pkey', 'PRIMARY KEY (participant_id, idempotency_key)'),
  ('idempotency_ledger', 'idempotency_key_once_per_participant', 'UNIQUE (participant_id, idempotency_key)'),
  ('idempotency_ledger', 'idempotency_ledger_pkey', 'PRIMARY KEY (participant_id, instruction_id)'),
  ('instruction_parties', 'instruction_parties_pkey', 'PRIMARY KEY (participant_id, outbox_id)'),
  ('instruction_parties', 'parties_are_whole_or_erased', 'CHECK ((((erased_at IS NULL) = (salt IS NOT NULL)) AND ((erased_at IS NULL) = (parties IS NOT NULL))))'),
  ('participant_outbox_sequences', 'participant_outbox_sequences_pkey', 'PRIMARY KEY (participant_id)'),
  ('participant_outbox_sequences', 'sequence_is_never_negative', 'CHECK ((last_sequence_id >= 0))'),
  ('payment_instructions', 'instruction_amount_is_positive', 'CHECK ((amount_minor > 0))'),
  ('payment_instructions', 'instruction_currency_is_iso_4217_form', 'CHECK (((currency !~ ''[^A-Z]''::text) AND (length(currency) = 3)))'),
  ('payment_instructions', 'instruction_hashes_are_sha256', 'CHECK (((octet_length(payload_sha256) = 32) AND (octet_length(parties_commitment) = 32) AND (octet_length(commitment) = 32)))'),
  ('payment_instructions', 'instruction_id_is_an_identifier', 'CHECK (((instruction_id !~ ''[^A-Za-z0-9._:/+-]''::text) AND ((length(instruction_id) >= 1) AND (length(instruction_id) <= 64))))'),
  ('payment_instructions', 'instruction_initial_state_is_known', 'CHECK ((initial_state = ANY (ARRAY[''PENDING''::text, ''AWAITING_PROXY_RESOLUTION''::text])))'),
  ('payment_instructions', 'instruction_key_is_an_identifier', 'CHECK (((idempotency_key !~ ''[^A-Za-z0-9._:/+-]''::text) AND ((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 64))))'),
  ('payment_instructions', 'instruction_participant_is_an_identifier', 'CHECK (((participant_id !~ ''[^A-Z0-9._-]''::text) AND ((length(participant_id) >= 1) AND (length(participant_id) <= 32))))'),
  ('payment_instructions', 'instruction_sequence_is_positive', 'CHECK ((sequence_id > 0))'),
  ('payment_instructions', 'instruction_texts_are_bounded', 'CHECK (((length(end_to_end_id) <= 35) AND (end_to_end_id !~ ''[^ -~]''::text) AND (length(purpose) <= 4) AND (length(creditor_participant_id) <= 32) AND (length(rail) <= 32)))'),
  ('payment_instructions', 'payment_instructions_participant_id_attestation_id_fkey', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations(participant_id, attestation_id)'),
  ('payment_instructions', 'payment_instructions_participant_id_attestation_id_fkey_1', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations_202611(participant_id, attestation_id)'),
  ('payment_instructions', 'payment_instructions_participant_id_attestation_id_fkey_2', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations_202612(participant_id, attestation_id)'),
  ('payment_instructions', 'payment_instructions_participant_id_attestation_id_fkey_3', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations_202701(participant_id, attestation_id)'),
  ('payment_instructions', 'payment_instructions_participant_id_attestation_id_fkey_4', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations_202702(participant_id, attestation_id)'),
  ('payment_instructions', 'payment_instructions_pkey', 'PRIMARY KEY (participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'attempt_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('payment_outbox_attempts', 'attempt_rail_words_are_codes', 'CHECK (((length(rail_code) <= 64) AND (rail_code !~ ''[^A-Za-z0-9._:/+-]''::text) AND (length(rail_reference) <= 64) AND (rail_reference !~ ''[^A-Za-z0-9._:/+-]''::text) AND (length(echoed_currency) <= 3)))'),
  ('payment_outbox_attempts', 'dispatched_has_a_rail_reference', 'CHECK (((state <> ''DISPATCHED''::outbox.attempt_state) OR (rail_reference IS NOT NULL)))'),
  ('payment_outbox_attempts', 'ending_has_a_reason', 'CHECK (((state = ANY (ARRAY[''DISPATCHING''::outbox.attempt_state, ''DISPATCHED''::outbox.attempt_state])) OR (reason_code IS NOT NULL)))'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_participant_id_outbox_id_fkey', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions(participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_participant_id_outbox_id_fkey_1', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions_202611(participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_participant_id_outbox_id_fkey_2', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions_202612(participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_participant_id_outbox_id_fkey_3', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions_202701(participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_participant_id_outbox_id_fkey_4', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions_202702(participant_id, outbox_id)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_pkey', 'PRIMARY KEY (participant_id, outbox_id, entry_no)'),
  ('payment_outbox_attempts', 'payment_outbox_attempts_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)'),
  ('payment_outbox_in_flight', 'in_flight_lease_ends_after_claim', 'CHECK ((lease_expires_at > claimed_at))'),
  ('payment_outbox_in_flight', 'payment_outbox_in_flight_pkey', 'PRIMARY KEY (participant_id, outbox_id)'),
  ('payment_outbox_pending', 'pending_accepted_is_not_sent_again', 'CHECK (((next_action = ''ENQUIRE''::outbox.next_action) OR (NOT acceptance_seen)))'),
  ('payment_outbox_pending', 'pending_alias_is_resolved_before_it_is_due', 'CHECK (((NOT requires_proxy) OR (next_action = ''ENQUIRE''::outbox.next_action) OR (due_at = ''infinity''::timestamp with time zone) OR ((resolution_id IS NOT NULL) AND (resolved_until IS NOT NULL))))'),
  ('payment_outbox_pending', 'pending_due_not_before_created', 'CHECK ((due_at >= created_at))'),
  ('payment_outbox_pending', 'pending_enquiry_follows_a_send', 'CHECK (((next_action = ''DISPATCH''::outbox.next_action) OR (last_sent_at IS NOT NULL)))'),
  ('payment_outbox_pending', 'pending_sequence_once', 'PRIMARY KEY (participant_id, sequence_id)');
select set_eq($$select relation, name, definition from pg_temp.constraints('outbox')$$, $$select * from expected_constraints$$, 'INV-004: constraints of outbox');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_pending_due', 'CREATE INDEX ix_pending_due ON outbox.payment_outbox_pending USING btree (rail, due_at)'),
  ('ix_pending_resolved_until', 'CREATE INDEX ix_pending_resolved_until ON outbox.payment_outbox_pending USING btree (resolved_until) WHERE (resolved_until IS NOT NULL)'),
  ('ux_attempts_one_terminal_per_outbox', 'CREATE UNIQUE INDEX ux_attempts_one_terminal_per_outbox ON ONLY outbox.payment_outbox_attempts USING btree (participant_id, outbox_id) WHERE (state = ANY (ARRAY[''DISPATCHED''::outbox.attempt_state, ''FAILED''::outbox.attempt_state, ''VOIDED''::outbox.attempt_state, ''PENDING_MANUAL''::outbox.attempt_state]))');
select set_eq($$select name, definition from pg_temp.indexes('outbox')$$, $$select * from expected_indexes$$, 'INV-004: indexes of outbox besides keys');

select is_empty($$select * from pg_temp.unguarded(array['outbox.payment_instructions', 'outbox.payment_outbox_attempts', 'outbox.idempotency_ledger', 'outbox.idempotency_key_aliases', 'outbox.participant_outbox_sequences'],
  'outbox.guard_sequence()')$$,
  'INV-014: every ledger of outbox and every leaf refuses UPDATE, DELETE and TRUNCATE always');

-- The terminal index: its columns, uniqueness and predicate are what makes «at most one terminal outcome» true.
select results_eq($$select x.indisunique, x.indimmediate, x.indisvalid, x.indnullsnotdistinct, pg_get_expr(x.indpred, x.indrelid) collate "C"
  from pg_index as x where x.indexrelid = 'outbox.ux_attempts_one_terminal_per_outbox'::regclass$$,
  $$values (true, true, true, false,
    '(state = ANY (ARRAY[''DISPATCHED''::outbox.attempt_state, ''FAILED''::outbox.attempt_state, ''VOIDED''::outbox.attempt_state, ''PENDING_MANUAL''::outbox.attempt_state]))' collate "C")$$,
  'INV-OUTBOX-02: the terminal index is unique, immediate and over all four terminal states');
select is_empty($$select t.relid::regclass from pg_partition_tree('outbox.payment_outbox_attempts') as t
  where t.isleaf and not exists (select from pg_inherits as i join pg_index as x on x.indexrelid = i.inhrelid
    where i.inhparent = 'outbox.ux_attempts_one_terminal_per_outbox'::regclass and x.indrelid = t.relid and x.indisunique and x.indisvalid)$$,
  'INV-OUTBOX-02: every leaf has its part of the terminal index');
select set_eq($$select e.enumlabel::text from pg_enum as e where e.enumtypid = 'outbox.attempt_state'::regtype$$,
  array['DISPATCHING', 'RETRYABLE', 'ZOMBIE_REQUEUE', 'DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL'],
  'INV-OUTBOX-02: the attempt states are these seven');
select set_eq($$select c.relname::text from pg_class as c where c.relnamespace = 'outbox'::regnamespace
    and c.relkind = 'r' and not c.relispartition and array_to_string(c.reloptions, ' ') like '%autovacuum_vacuum_threshold%'$$,
  array['claim_gate', 'participant_outbox_sequences', 'payment_outbox_in_flight', 'payment_outbox_pending'],
  'INV-PERF-001: the hot tables have their own autovacuum settings');
select is_empty($$select i.inhrelid::regclass from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
  where i.inhparent = 'outbox.instruction_parties'::regclass
    and not coalesce('autovacuum_vacuum_threshold=50' = any (c.reloptions) and 'autovacuum_vacuum_scale_factor=0' = any (c.reloptions), false)$$,
  'INV-LEAK-001: what was erased is vacuumed away soon from every leaf of the parties');
select is(partcount, 8::bigint, 'INV-011: the idempotency ledger has 8 hash partitions')
from (select count(*) as partcount from pg_inherits where inhparent = 'outbox.idempotency_ledger'::regclass) as p;

select * from finish();
rollback;
