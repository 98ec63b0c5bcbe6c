-- proxy: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('proxy');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_ingress_owner:USAGE, symphony_maintainer:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE, symphony_resolver:USAGE',
  'INV-005: who sees names in proxy') from pg_namespace where nspname = 'proxy';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('proxy.await_resolutions(proxy.awaiting[],text,uuid)', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner'),
  ('proxy.claim_resolutions(text,integer,interval)', 'plpgsql', 'volatile', 'definer', 'symphony_resolver'),
  ('proxy.count_misses(text[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner'),
  ('proxy.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('proxy.forget_expired(integer)', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('proxy.guard_current()', 'plpgsql', 'volatile', 'definer', ''),
  ('proxy.list_held(text,text[],uuid[],uuid[])', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('proxy.list_throttled(text[])', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner'),
  ('proxy.lookup(proxy.alias_key[])', 'plpgsql', 'stable', 'definer', 'symphony_resolver'),
  ('proxy.note_answers(proxy.resolution[],proxy.recorded_resolution[])', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner'),
  ('proxy.record_proxy_resolutions(text,proxy.resolution[])', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner'),
  ('proxy.release_resolutions(text,proxy.lease[],interval)', 'plpgsql', 'volatile', 'definer', 'symphony_resolver'),
  ('proxy.take_overdue(integer)', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner'),
  ('proxy.wait_before_next(integer)', 'sql', 'volatile', 'invoker', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('proxy')$$, $$select * from expected_functions$$, 'INV-005: functions of proxy and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('miss_counts', 'table', ''),
  ('proxy_resolution_current', 'table', ''),
  ('proxy_resolutions', 'partitioned', 'symphony_evidence_owner:SELECT'),
  ('resolution_queue', 'table', 'symphony_ops_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('proxy')$$, $$select * from expected_relations$$, 'INV-010: relations of proxy and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('miss_counts', 'participant_id text, hour timestamp with time zone, misses integer'),
  ('proxy_resolution_current', 'participant_id text, proxy_type text, proxy_hash bytea, hash_key_id text, status proxy.resolution_status, beneficiary_participant_id text?, sealed_beneficiary bytea?, source text, source_version text?, response_sha256 bytea, resolution_id uuid, observed_at timestamp with time zone, expires_at timestamp with time zone'),
  ('proxy_resolutions', 'participant_id text, resolution_id uuid, outbox_id uuid, resolution_no integer, proxy_type text, proxy_hash bytea, hash_key_id text, status proxy.resolution_status, reason_code text?, beneficiary_participant_id text?, beneficiary_commitment bytea?, source text, source_version text?, from_cache boolean, response_sha256 bytea?, observed_at timestamp with time zone, expires_at timestamp with time zone?, latency_us bigint?, resolved_by text, lease_token uuid, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('resolution_queue', 'participant_id text, outbox_id uuid, proxy_type text, accepted_at timestamp with time zone, deadline_at timestamp with time zone, due_at timestamp with time zone, resolution_no integer, tries integer, claimed_by text?, claimed_at timestamp with time zone?, lease_token uuid?, lease_expires_at timestamp with time zone?');
select set_eq($$select relation, columns from pg_temp.columns('proxy')$$, $$select * from expected_columns$$, 'INV-004: columns of proxy («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('miss_counts', 'miss_counts_are_positive', 'CHECK ((misses >= 1))'),
  ('miss_counts', 'miss_counts_pkey', 'PRIMARY KEY (participant_id, hour)'),
  ('proxy_resolution_current', 'current_beneficiary_is_bounded', 'CHECK ((octet_length(sealed_beneficiary) <= 4096))'),
  ('proxy_resolution_current', 'current_resolution_can_be_used', 'CHECK (((status = ''RESOLVED''::proxy.resolution_status) = ((sealed_beneficiary IS NOT NULL) AND (beneficiary_participant_id IS NOT NULL))))'),
  ('proxy_resolution_current', 'current_resolution_is_an_answer', 'CHECK ((status <> ''TEMP_UNAVAILABLE''::proxy.resolution_status))'),
  ('proxy_resolution_current', 'proxy_resolution_current_pkey', 'PRIMARY KEY (participant_id, proxy_type, proxy_hash)'),
  ('proxy_resolutions', 'proxy_resolutions_pkey', 'PRIMARY KEY (participant_id, resolution_id)'),
  ('proxy_resolutions', 'proxy_resolutions_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)'),
  ('proxy_resolutions', 'resolution_alias_is_a_keyed_hash', 'CHECK (((octet_length(proxy_hash) = 32) AND (hash_key_id ~ ''^[a-z][a-z0-9-]{0,47}:v[0-9]{1,9}$''::text)))'),
  ('proxy_resolutions', 'resolution_answer_has_its_hash', 'CHECK (((response_sha256 IS NOT NULL) OR (status = ''TEMP_UNAVAILABLE''::proxy.resolution_status)))'),
  ('proxy_resolutions', 'resolution_beneficiary_is_an_identifier', 'CHECK (((beneficiary_participant_id !~ ''[^A-Z0-9._-]''::text) AND ((length(beneficiary_participant_id) >= 1) AND (length(beneficiary_participant_id) <= 32))))'),
  ('proxy_resolutions', 'resolution_expires_after_it_was_observed', 'CHECK ((expires_at > observed_at))'),
  ('proxy_resolutions', 'resolution_hashes_are_sha256', 'CHECK (((octet_length(beneficiary_commitment) = 32) AND (octet_length(response_sha256) = 32) AND (octet_length(commitment) = 32)))'),
  ('proxy_resolutions', 'resolution_number_is_positive', 'CHECK ((resolution_no >= 1))'),
  ('proxy_resolutions', 'resolution_says_who_or_why', 'CHECK ((((status = ''RESOLVED''::proxy.resolution_status) = ((beneficiary_commitment IS NOT NULL) AND (beneficiary_participant_id IS NOT NULL) AND (expires_at IS NOT NULL))) AND ((status = ''RESOLVED''::proxy.resolution_status) = (reason_code IS NULL))))'),
  ('proxy_resolutions', 'resolution_source_is_a_name', 'CHECK ((((length(source) >= 1) AND (length(source) <= 64)) AND (source !~ ''[^a-z0-9._-]''::text) AND (length(source_version) <= 64) AND (source_version !~ ''[^ -~]''::text)))'),
  ('proxy_resolutions', 'resolution_type_is_iso_20022_form', 'CHECK ((((length(proxy_type) >= 1) AND (length(proxy_type) <= 4)) AND (proxy_type !~ ''[^A-Z0-9]''::text)))'),
  ('resolution_queue', 'queued_lease_ends_after_claim', 'CHECK ((lease_expires_at > claimed_at))'),
  ('resolution_queue', 'queued_lease_is_whole', 'CHECK ((((claimed_by IS NULL) = (lease_token IS NULL)) AND ((claimed_by IS NULL) = (claimed_at IS NULL)) AND ((claimed_by IS NULL) = (lease_expires_at IS NULL))))'),
  ('resolution_queue', 'resolution_queue_pkey', 'PRIMARY KEY (participant_id, outbox_id)');
select set_eq($$select relation, name, definition from pg_temp.constraints('proxy')$$, $$select * from expected_constraints$$, 'INV-004: constraints of proxy');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_proxy_resolution_current_expiry', 'CREATE INDEX ix_proxy_resolution_current_expiry ON proxy.proxy_resolution_current USING btree (expires_at)'),
  ('ix_proxy_resolutions_instruction', 'CREATE INDEX ix_proxy_resolutions_instruction ON ONLY proxy.proxy_resolutions USING btree (participant_id, outbox_id)'),
  ('ix_resolution_queue_deadline', 'CREATE INDEX ix_resolution_queue_deadline ON proxy.resolution_queue USING btree (deadline_at)'),
  ('ix_resolution_queue_order', 'CREATE INDEX ix_resolution_queue_order ON proxy.resolution_queue USING btree (outbox_id)');
select set_eq($$select name, definition from pg_temp.indexes('proxy')$$, $$select * from expected_indexes$$, 'INV-004: indexes of proxy besides keys');

select is_empty($$select * from pg_temp.unguarded(array['proxy.proxy_resolutions'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of proxy and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select * from finish();
rollback;
