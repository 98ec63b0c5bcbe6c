-- ingress: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('ingress');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_evidence_reader:USAGE, symphony_ingest:USAGE, symphony_maintainer:USAGE, symphony_operator:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE, symphony_status_reader:USAGE',
  'INV-005: who sees names in ingress') from pg_namespace where nspname = 'ingress';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('ingress.accept(ingress.item[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.accept_proven(ingress.item[],ingress.proof[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.accept_resolved(ingress.item[],ingress.proof[],outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.accept_twins(ingress.item[],integer,bytea,outbox.intent[],outbox.intent[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.alias_reasons(outbox.intent[],text[],outbox.recorded[],outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.attest(ingress.item[],outbox.intent[],text[],outbox.recorded[],integer,bytea,integer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.attest_read(ingress.item,ingress.proof,uuid)', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.bump_registry()', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.check_items(ingress.item[])', 'plpgsql', 'stable', 'definer', ''),
  ('ingress.decide(ingress.item[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.decide_answered(ingress.item[],outbox.alias_answer[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.end_revocation_source(bytea,text,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('ingress.find_accepted(text,uuid,text)', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('ingress.find_seen(smallint[],smallint[],uuid[],uuid[])', 'plpgsql', 'stable', 'definer', ''),
  ('ingress.form_reason(text,text,text,text,text,bigint,text,text,text,boolean,text,boolean,text)', 'sql', 'stable', 'invoker', ''),
  ('ingress.get_proof_rule()', 'plpgsql', 'stable', 'definer', ''),
  ('ingress.get_registry_state()', 'plpgsql', 'stable', 'definer', 'symphony_ingest, symphony_operator'),
  ('ingress.is_instant(timestamp with time zone)', 'sql', 'immutable', 'invoker', ''),
  ('ingress.is_public_jwk(text,text)', 'sql', 'immutable', 'invoker', ''),
  ('ingress.judge_proofs(ingress.item[],ingress.proof[],ingress.proof_rules)', 'plpgsql', 'stable', 'definer', ''),
  ('ingress.list_client_certs()', 'plpgsql', 'stable', 'definer', 'symphony_ingest, symphony_maintainer, symphony_operator'),
  ('ingress.list_intents(ingress.item[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.list_signature_keys()', 'plpgsql', 'stable', 'definer', 'symphony_ingest, symphony_operator'),
  ('ingress.publish_proof_rule(boolean,boolean,text,text,integer,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.read_evidence(ingress.item,ingress.proof)', 'plpgsql', 'volatile', 'definer', 'symphony_evidence_reader'),
  ('ingress.read_status(ingress.item,ingress.proof)', 'plpgsql', 'volatile', 'definer', 'symphony_status_reader'),
  ('ingress.record_refusal_counts(ingress.refusal_count[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.record_revocation_list(text,bytea,numeric,timestamp with time zone,timestamp with time zone,text[])', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ingress.record_revocation_reading(text,bytea,numeric,timestamp with time zone,timestamp with time zone,integer,timestamp with time zone)', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.record_service_event(text,jsonb)', 'plpgsql', 'volatile', 'definer', 'symphony_ingest'),
  ('ingress.refuse_unproven(ingress.item[],ingress.proof[])', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.register_client(text,text,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.register_client_cert(text,bytea,bytea,text,timestamp with time zone,timestamp with time zone,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.register_signature_key(text,text,text,text,timestamp with time zone,timestamp with time zone,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.retire_seen()', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ingress.retire_signature_key(text,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.revoke_client_cert(bytea,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('ingress.use_proofs(ingress.item[],ingress.proof[],text[],ingress.proof_rules)', 'plpgsql', 'volatile', 'definer', ''),
  ('ingress.verdicts(outbox.intent[],text[],outbox.recorded[])', 'plpgsql', 'stable', 'definer', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('ingress')$$, $$select * from expected_functions$$, 'INV-005: functions of ingress and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('client_certs', 'table', 'symphony_evidence_owner:SELECT'),
  ('clients', 'table', 'symphony_evidence_owner:SELECT'),
  ('ended_revocation_sources', 'table', 'symphony_evidence_owner:SELECT'),
  ('ingress_attestations', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('proof_rules', 'table', 'symphony_evidence_owner:SELECT'),
  ('refusal_counts', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('registry_state', 'table', ''),
  ('replay_horizon', 'table', 'symphony_ops_owner:SELECT'),
  ('retired_signature_keys', 'table', 'symphony_evidence_owner:SELECT'),
  ('revocation_readings', 'table', 'symphony_evidence_owner:SELECT'),
  ('revocation_sources', 'table', ''),
  ('revoked_client_certs', 'table', 'symphony_evidence_owner:SELECT'),
  ('seen_jti', 'partitioned', ''),
  ('signature_keys', 'table', 'symphony_evidence_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('ingress')$$, $$select * from expected_relations$$, 'INV-010: relations of ingress and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('client_certs', 'cert_sha256 bytea, client_id text, participant_id text, issuer_sha256 bytea, serial text, not_before timestamp with time zone, not_after timestamp with time zone, registered_by text, reason text, registered_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('clients', 'client_id text, participant_id text, registered_by text, reason text, registered_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('ended_revocation_sources', 'issuer_sha256 bytea, source text, ended_by text, reason text, ended_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('ingress_attestations', 'participant_id text, attestation_id uuid, decision ingress.decision, reason_code text?, tenant_id text?, cell_id text, cell_epoch integer, instruction_id text?, outbox_id uuid?, client_id text?, cert_sha256 bytea?, token_iss text?, token_aud text?, token_kid text?, token_jti_sha256 bytea?, cnf text?, pop_mode ingress.pop_mode, body_sha256 bytea?, signature_key_id text?, signature_alg text?, policy_version integer?, policy_checksum bytea?, db_role text?, correlation_id uuid?, received_at timestamp with time zone?, verified_at timestamp with time zone?, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('proof_rules', 'rule_version integer, proof_required boolean, signature_required boolean, mtls_token_use text, dpop_token_use text, revocation_max_age_ms integer, published_by text, reason text, published_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('refusal_counts', 'count_id uuid, level text, reason_code text, verify_code integer?, peer_address inet?, cert_sha256 bytea?, participant_id text?, refusals bigint, first_at timestamp with time zone, last_at timestamp with time zone, instance text, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('registry_state', 'singleton boolean, version bigint, changed_at timestamp with time zone'),
  ('replay_horizon', 'singleton boolean, closed_bucket bigint'),
  ('retired_signature_keys', 'key_id text, retired_by text, reason text, retired_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('revocation_readings', 'reading_id uuid, issuer_sha256 bytea, source text, list_number numeric(49,0)?, this_update timestamp with time zone, next_update timestamp with time zone, revoked_count integer, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('revocation_sources', 'issuer_sha256 bytea, source text, list_number numeric(49,0)?, this_update timestamp with time zone, next_update timestamp with time zone, checked_at timestamp with time zone'),
  ('revoked_client_certs', 'cert_sha256 bytea, source text, revoked_by text, reason text, revoked_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('seen_jti', 'slot smallint, seen_key uuid, correlation_id uuid'),
  ('signature_keys', 'key_id text, client_id text, participant_id text, alg text, public_jwk text?, active_from timestamp with time zone, active_until timestamp with time zone?, registered_by text, reason text, registered_at timestamp with time zone, commitment bytea, recorded_xid xid8');
select set_eq($$select relation, columns from pg_temp.columns('ingress')$$, $$select * from expected_columns$$, 'INV-004: columns of ingress («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('client_certs', 'client_cert_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('client_certs', 'client_cert_ends_after_it_begins', 'CHECK ((not_before < not_after))'),
  ('client_certs', 'client_cert_hashes_are_sha256', 'CHECK (((octet_length(cert_sha256) = 32) AND (octet_length(issuer_sha256) = 32)))'),
  ('client_certs', 'client_cert_registration_is_named', 'CHECK (((registered_by ~ ''\S''::text) AND (length(registered_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('client_certs', 'client_cert_serial_is_hexadecimal', 'CHECK (((serial !~ ''[^0-9a-f]''::text) AND ((length(serial) >= 1) AND (length(serial) <= 40))))'),
  ('client_certs', 'client_cert_serial_is_unique', 'UNIQUE (issuer_sha256, serial)'),
  ('client_certs', 'client_certs_participant_id_client_id_fkey', 'FOREIGN KEY (participant_id, client_id) REFERENCES ingress.clients(participant_id, client_id)'),
  ('client_certs', 'client_certs_pkey', 'PRIMARY KEY (cert_sha256)'),
  ('clients', 'client_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('clients', 'client_id_is_an_identifier', 'CHECK (((client_id !~ ''[^A-Za-z0-9._:-]''::text) AND ((length(client_id) >= 1) AND (length(client_id) <= 64))))'),
  ('clients', 'client_participant_is_an_identifier', 'CHECK (((participant_id !~ ''[^A-Z0-9._-]''::text) AND ((length(participant_id) >= 1) AND (length(participant_id) <= 32))))'),
  ('clients', 'client_registration_is_named', 'CHECK (((registered_by ~ ''\S''::text) AND (length(registered_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('clients', 'clients_participant_id_client_id_key', 'UNIQUE (participant_id, client_id)'),
  ('clients', 'clients_pkey', 'PRIMARY KEY (client_id)'),
  ('ended_revocation_sources', 'ended_revocation_sources_pkey', 'PRIMARY KEY (issuer_sha256, source, ended_at)'),
  ('ended_revocation_sources', 'ended_source_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('ended_revocation_sources', 'ended_source_is_known', 'CHECK ((source = ANY (ARRAY[''CRL''::text, ''OCSP''::text])))'),
  ('ended_revocation_sources', 'ended_source_is_named', 'CHECK (((ended_by ~ ''\S''::text) AND (length(ended_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('ended_revocation_sources', 'ended_source_issuer_is_sha256', 'CHECK ((octet_length(issuer_sha256) = 32))'),
  ('ingress_attestations', 'attestation_accept_names_its_instruction', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((outbox_id IS NOT NULL) AND (instruction_id IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_accept_names_its_policy', 'CHECK (((decision <> ''ACCEPT''::ingress.decision) OR ((policy_version IS NOT NULL) AND (policy_checksum IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_body_is_sha256', 'CHECK ((octet_length(body_sha256) = 32))'),
  ('ingress_attestations', 'attestation_certificate_is_sha256', 'CHECK ((octet_length(cert_sha256) = 32))'),
  ('ingress_attestations', 'attestation_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('ingress_attestations', 'attestation_facts_are_complete', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((body_sha256 IS NOT NULL) AND (db_role IS NOT NULL) AND (correlation_id IS NOT NULL) AND (received_at IS NOT NULL) AND (verified_at IS NOT NULL))))'),
  ('ingress_attestations', 'attestation_jti_is_sha256', 'CHECK ((octet_length(token_jti_sha256) = 32))'),
  ('ingress_attestations', 'attestation_reject_has_a_reason', 'CHECK (((decision = ''REJECT''::ingress.decision) = (reason_code IS NOT NULL)))'),
  ('ingress_attestations', 'ingress_attestations_pkey', 'PRIMARY KEY (participant_id, attestation_id)'),
  ('ingress_attestations', 'ingress_attestations_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)'),
  ('proof_rules', 'proof_rule_age_is_bounded', 'CHECK (((revocation_max_age_ms >= 1000) AND (revocation_max_age_ms <= 86400000)))'),
  ('proof_rules', 'proof_rule_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('proof_rules', 'proof_rule_is_named', 'CHECK (((published_by ~ ''\S''::text) AND (length(published_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('proof_rules', 'proof_rule_names_a_use', 'CHECK (((mtls_token_use = ANY (ARRAY[''single_use''::text, ''per_request_proof''::text])) AND (dpop_token_use = ANY (ARRAY[''single_use''::text, ''per_request_proof''::text]))))'),
  ('proof_rules', 'proof_rule_version_is_positive', 'CHECK ((rule_version >= 1))'),
  ('proof_rules', 'proof_rules_pkey', 'PRIMARY KEY (rule_version)'),
  ('refusal_counts', 'refusal_count_certificate_is_sha256', 'CHECK ((octet_length(cert_sha256) = 32))'),
  ('refusal_counts', 'refusal_count_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('refusal_counts', 'refusal_count_ends_after_it_begins', 'CHECK ((first_at <= last_at))'),
  ('refusal_counts', 'refusal_count_has_a_level', 'CHECK ((level = ANY (ARRAY[''CONNECTION''::text, ''REQUEST''::text])))'),
  ('refusal_counts', 'refusal_count_instance_is_named', 'CHECK (((length(instance) >= 1) AND (length(instance) <= 100)))'),
  ('refusal_counts', 'refusal_count_is_positive', 'CHECK ((refusals >= 1))'),
  ('refusal_counts', 'refusal_count_participant_is_an_identifier', 'CHECK (((participant_id !~ ''[^A-Z0-9._-]''::text) AND ((length(participant_id) >= 1) AND (length(participant_id) <= 32))))'),
  ('refusal_counts', 'refusal_counts_pkey', 'PRIMARY KEY (count_id)'),
  ('refusal_counts', 'refusal_counts_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)'),
  ('registry_state', 'registry_state_is_one_row', 'CHECK (singleton)'),
  ('registry_state', 'registry_state_pkey', 'PRIMARY KEY (singleton)'),
  ('registry_state', 'registry_version_is_positive', 'CHECK ((version >= 1))'),
  ('replay_horizon', 'replay_horizon_is_one_row', 'CHECK (singleton)'),
  ('replay_horizon', 'replay_horizon_pkey', 'PRIMARY KEY (singleton)'),
  ('retired_signature_keys', 'retired_signature_keys_key_id_fkey', 'FOREIGN KEY (key_id) REFERENCES ingress.signature_keys(key_id)'),
  ('retired_signature_keys', 'retired_signature_keys_pkey', 'PRIMARY KEY (key_id)'),
  ('retired_signature_keys', 'retirement_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('retired_signature_keys', 'retirement_is_named', 'CHECK (((retired_by ~ ''\S''::text) AND (length(retired_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('revocation_readings', 'reading_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('revocation_readings', 'reading_count_is_not_negative', 'CHECK ((revoked_count >= 0))'),
  ('revocation_readings', 'reading_issuer_is_sha256', 'CHECK ((octet_length(issuer_sha256) = 32))'),
  ('revocation_readings', 'reading_source_is_known', 'CHECK ((source = ANY (ARRAY[''CRL''::text, ''OCSP''::text])))'),
  ('revocation_readings', 'revocation_readings_pkey', 'PRIMARY KEY (reading_id)'),
  ('revocation_sources', 'revocation_list_number_is_not_negative', 'CHECK ((list_number >= (0)::numeric))'),
  ('revocation_sources', 'revocation_source_is_known', 'CHECK ((source = ANY (ARRAY[''CRL''::text, ''OCSP''::text])))'),
  ('revocation_sources', 'revocation_source_issuer_is_sha256', 'CHECK ((octet_length(issuer_sha256) = 32))'),
  ('revocation_sources', 'revocation_sources_pkey', 'PRIMARY KEY (issuer_sha256, source)'),
  ('revocation_sources', 'revocation_update_is_before_the_next', 'CHECK ((this_update < next_update))'),
  ('revoked_client_certs', 'revocation_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('revoked_client_certs', 'revocation_has_a_source', 'CHECK ((source = ANY (ARRAY[''OPERATOR''::text, ''CRL''::text, ''OCSP''::text])))'),
  ('revoked_client_certs', 'revocation_is_named', 'CHECK (((revoked_by ~ ''\S''::text) AND (length(revoked_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('revoked_client_certs', 'revoked_client_certs_cert_sha256_fkey', 'FOREIGN KEY (cert_sha256) REFERENCES ingress.client_certs(cert_sha256)'),
  ('revoked_client_certs', 'revoked_client_certs_pkey', 'PRIMARY KEY (cert_sha256)'),
  ('seen_jti', 'seen_jti_pkey', 'PRIMARY KEY (slot, seen_key)'),
  ('signature_keys', 'signature_key_alg_is_known', 'CHECK ((alg = ANY (ARRAY[''ecdsa-p256-sha256''::text, ''ed25519''::text, ''hmac-sha256''::text])))'),
  ('signature_keys', 'signature_key_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('signature_keys', 'signature_key_ends_after_it_begins', 'CHECK ((active_from < active_until))'),
  ('signature_keys', 'signature_key_id_is_an_identifier', 'CHECK (((key_id !~ ''[^A-Za-z0-9._:-]''::text) AND ((length(key_id) >= 1) AND (length(key_id) <= 64))))'),
  ('signature_keys', 'signature_key_registration_is_named', 'CHECK (((registered_by ~ ''\S''::text) AND (length(registered_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('signature_keys', 'signature_key_secret_is_elsewhere', 'CHECK ((((alg = ''hmac-sha256''::text) = (public_jwk IS NULL)) AND (length(public_jwk) <= 1024) AND (public_jwk IS JSON OBJECT)))'),
  ('signature_keys', 'signature_keys_participant_id_client_id_fkey', 'FOREIGN KEY (participant_id, client_id) REFERENCES ingress.clients(participant_id, client_id)'),
  ('signature_keys', 'signature_keys_pkey', 'PRIMARY KEY (key_id)');
select set_eq($$select relation, name, definition from pg_temp.constraints('ingress')$$, $$select * from expected_constraints$$, 'INV-004: constraints of ingress');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_attestations_not_accepted', 'CREATE INDEX ix_attestations_not_accepted ON ONLY ingress.ingress_attestations USING btree (participant_id, instruction_id) WHERE ((decision <> ''ACCEPT''::ingress.decision) AND (instruction_id IS NOT NULL))'),
  ('ix_client_certs_client', 'CREATE INDEX ix_client_certs_client ON ingress.client_certs USING btree (client_id)'),
  ('ix_client_certs_end', 'CREATE INDEX ix_client_certs_end ON ingress.client_certs USING btree (not_after, issuer_sha256)'),
  ('ix_revocation_readings_source', 'CREATE INDEX ix_revocation_readings_source ON ingress.revocation_readings USING btree (issuer_sha256, source, recorded_at)'),
  ('ix_signature_keys_client', 'CREATE INDEX ix_signature_keys_client ON ingress.signature_keys USING btree (client_id)');
select set_eq($$select name, definition from pg_temp.indexes('ingress')$$, $$select * from expected_indexes$$, 'INV-004: indexes of ingress besides keys');

select is_empty($$select * from pg_temp.unguarded(array['ingress.ingress_attestations', 'ingress.proof_rules', 'ingress.clients', 'ingress.client_certs', 'ingress.revoked_client_certs',
  'ingress.signature_keys', 'ingress.retired_signature_keys', 'ingress.refusal_counts'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of ingress and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select * from finish();
rollback;
