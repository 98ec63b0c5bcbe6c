-- rails: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('rails');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_executor:USAGE, symphony_ops_owner:USAGE, symphony_policy_admin:USAGE',
  'INV-005: who sees names in rails') from pg_namespace where nspname = 'rails';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('rails.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('rails.publish_response_classes(jsonb,text)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('rails.record_answers(text,rails.answer[])', 'plpgsql', 'volatile', 'definer', 'symphony_executor'),
  ('rails.record_messages(text,rails.answer[],outbox.result[],outbox.outcome[])', 'plpgsql', 'volatile', 'definer', ''),
  ('rails.same_response_classes(jsonb)', 'plpgsql', 'stable', 'definer', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('rails')$$, $$select * from expected_functions$$, 'INV-005: functions of rails and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('rail_messages', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('response_classes', 'table', 'symphony_evidence_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('rails')$$, $$select * from expected_relations$$, 'INV-010: relations of rails and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('rail_messages', 'participant_id text, message_id uuid, outbox_id uuid, rail text, phase rails.phase, rail_code text, rail_reference text?, answer_class outbox.answer_class, outcome text, claimed_by text, lease_token uuid, echoed_amount_minor bigint?, echoed_currency text?, request_sha256 bytea?, response_sha256 bytea?, latency_us bigint?, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('response_classes', 'rail text, version integer, phase rails.phase, rail_code text, answer_class outbox.answer_class, meaning text, owner text, published_by text, published_at timestamp with time zone');
select set_eq($$select relation, columns from pg_temp.columns('rails')$$, $$select * from expected_columns$$, 'INV-004: columns of rails («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('rail_messages', 'rail_message_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('rail_messages', 'rail_message_words_are_codes', 'CHECK (((length(rail_code) <= 64) AND (rail_code !~ ''[^A-Za-z0-9._:/+-]''::text) AND (length(rail_reference) <= 64) AND (rail_reference !~ ''[^A-Za-z0-9._:/+-]''::text) AND (length(echoed_currency) <= 3)))'),
  ('rail_messages', 'rail_messages_pkey', 'PRIMARY KEY (participant_id, message_id)'),
  ('response_classes', 'response_class_belongs_to_its_phase', 'CHECK (
CASE phase
    WHEN ''NONE''::rails.phase THEN (answer_class = ANY (ARRAY[''RELEASED''::outbox.answer_class, ''REFUSED_BEFORE_CALL''::outbox.answer_class]))
    WHEN ''SUBMIT''::rails.phase THEN (answer_class = ANY (ARRAY[''ACCEPTED''::outbox.answer_class, ''REJECTED''::outbox.answer_class, ''NOT_SENT''::outbox.answer_class, ''UNCERTAIN''::outbox.answer_class]))
    ELSE (answer_class = ANY (ARRAY[''ACCEPTED''::outbox.answer_class, ''REJECTED''::outbox.answer_class, ''UNCERTAIN''::outbox.answer_class, ''NOT_FOUND''::outbox.answer_class]))
END)'),
  ('response_classes', 'response_class_version_is_positive', 'CHECK ((version >= 1))'),
  ('response_classes', 'response_classes_pkey', 'PRIMARY KEY (rail, version, phase, rail_code)');
select set_eq($$select relation, name, definition from pg_temp.constraints('rails')$$, $$select * from expected_constraints$$, 'INV-004: constraints of rails');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_rail_messages_instruction', 'CREATE INDEX ix_rail_messages_instruction ON ONLY rails.rail_messages USING btree (participant_id, outbox_id)');
select set_eq($$select name, definition from pg_temp.indexes('rails')$$, $$select * from expected_indexes$$, 'INV-004: indexes of rails besides keys');

select is_empty($$select * from pg_temp.unguarded(array['rails.response_classes', 'rails.rail_messages'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of rails and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select * from finish();
rollback;
