-- ingress: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('ingress');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_ingest:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE',
  'INV-005: who sees names in ingress') from pg_namespace where nspname = 'ingress';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('ingress.accept(ingress.item[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.accept_twins(ingress.item[],integer,bytea,outbox.intent[],outbox.intent[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.attest(ingress.item[],outbox.intent[],text[],outbox.recorded[],integer,bytea,integer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.check_items(ingress.item[])', 'plpgsql', 'stable', 'definer', ''),
  ('ingress.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('ingress.find_accepted(text,uuid,text)', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('ingress.form_reason(text,text,text,text,text,bigint,text,text,text,boolean,text,boolean,text)', 'sql', 'immutable', 'invoker', ''),
  ('ingress.list_intents(ingress.item[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.verdicts(outbox.intent[],text[],outbox.recorded[])', 'plpgsql', 'stable', 'definer', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('ingress')$$, $$select * from expected_functions$$, 'INV-005: functions of ingress and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('ingress_attestations', 'partitioned', 'symphony_evidence_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('ingress')$$, $$select * from expected_relations$$, 'INV-010: relations of ingress and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('ingress_attestations', 'participant_id text, attestation_id uuid, decision ingress.decision, reason_code text?, tenant_id text?, cell_id text, cell_epoch integer, instruction_id text?, outbox_id uuid?, client_id text?, cert_sha256 bytea?, token_iss text?, token_aud text?, token_kid text?, token_jti_sha256 bytea?, cnf text?, pop_mode ingress.pop_mode, body_sha256 bytea?, signature_key_id text?, signature_alg text?, policy_version integer?, policy_checksum bytea?, db_role text?, correlation_id uuid?, received_at timestamp with time zone?, verified_at timestamp with time zone?, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8');
select set_eq($$select relation, columns from pg_temp.columns('ingress')$$, $$select * from expected_columns$$, 'INV-004: columns of ingress («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('ingress_attestations', 'attestation_accept_names_its_instruction', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((outbox_id IS NOT NULL) AND (instruction_id IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_accept_names_its_policy', 'CHECK (((decision <> ''ACCEPT''::ingress.decision) OR ((policy_version IS NOT NULL) AND (policy_checksum IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_body_is_sha256', 'CHECK ((octet_length(body_sha256) = 32))'),
  ('ingress_attestations', 'attestation_certificate_is_sha256', 'CHECK ((octet_length(cert_sha256) = 32))'),
  ('ingress_attestations', 'attestation_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('ingress_attestations', 'attestation_facts_are_complete', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((body_sha256 IS NOT NULL) AND (db_role IS NOT NULL) AND (correlation_id IS NOT NULL) AND (received_at IS NOT NULL) AND (verified_at IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_jti_is_sha256', 'CHECK ((octet_length(token_jti_sha256) = 32))'),
  ('ingress_attestations', 'attestation_reject_has_a_reason', 'CHECK (((decision = ''REJECT''::ingress.decision) = (reason_code IS NOT NULL)))'),
  ('ingress_attestations', 'ingress_attestations_pkey', 'PRIMARY KEY (participant_id, attestation_id)'),
  ('ingress_attestations', 'ingress_attestations_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)');
select set_eq($$select relation, name, definition from pg_temp.constraints('ingress')$$, $$select * from expected_constraints$$, 'INV-004: constraints of ingress');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_attestations_not_accepted', 'CREATE INDEX ix_attestations_not_accepted ON ONLY ingress.ingress_attestations USING btree (participant_id, instruction_id) WHERE ((decision <> ''ACCEPT''::ingress.decision) AND (instruction_id IS NOT NULL))');
select set_eq($$select name, definition from pg_temp.indexes('ingress')$$, $$select * from expected_indexes$$, 'INV-004: indexes of ingress besides keys');

select is_empty($$select * from pg_temp.unguarded(array['ingress.ingress_attestations'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of ingress and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select * from finish();
rollback;
