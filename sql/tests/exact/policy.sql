-- policy: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('policy');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_executor:USAGE, symphony_ingest:USAGE, symphony_ingress_owner:USAGE, symphony_operator:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE, symphony_policy_admin:USAGE, symphony_proxy_owner:USAGE, symphony_resolver:USAGE',
  'INV-005: who sees names in policy') from pg_namespace where nspname = 'policy';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('policy.activate(integer,bytea,text)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('policy.admit_in_order(integer,date,policy.payment[],text[],text[])', 'plpgsql', 'volatile', 'definer', ''),
  ('policy.decide(integer,date,policy.payment[])', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner, symphony_outbox_owner'),
  ('policy.get_active()', 'plpgsql', 'volatile', 'definer', 'symphony_executor, symphony_ingest, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_admin, symphony_resolver'),
  ('policy.guard_version()', 'plpgsql', 'volatile', 'definer', ''),
  ('policy.halt(policy.halt_scope,text,text,policy.halt_direction,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('policy.halt_reason(policy.halts_in_force[],text,text,text)', 'plpgsql', 'stable', 'definer', ''),
  ('policy.known_participants(text[])', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner, symphony_outbox_owner'),
  ('policy.lift_halt(uuid,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('policy.list_halts()', 'plpgsql', 'stable', 'definer', 'symphony_operator, symphony_outbox_owner'),
  ('policy.list_participant_caps()', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('policy.list_proxy_rules(text[])', 'plpgsql', 'stable', 'definer', 'symphony_ingest, symphony_ingress_owner, symphony_proxy_owner'),
  ('policy.list_rails()', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('policy.list_receivers(text[])', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner, symphony_outbox_owner'),
  ('policy.list_tenants()', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner'),
  ('policy.project(integer,jsonb)', 'plpgsql', 'volatile', 'definer', ''),
  ('policy.propose(jsonb,text)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('policy.release_usage(policy.usage[])', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner'),
  ('policy.static_reasons(integer,policy.payment[])', 'plpgsql', 'stable', 'definer', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('policy')$$, $$select * from expected_functions$$, 'INV-005: functions of policy and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('halts', 'table', 'symphony_evidence_owner:SELECT'),
  ('halts_in_force', 'table', ''),
  ('limit_usage', 'table', ''),
  ('participant_limits', 'table', ''),
  ('participant_proxies', 'table', ''),
  ('participant_rails', 'table', ''),
  ('participants', 'table', ''),
  ('policy_versions', 'table', 'symphony_evidence_owner:SELECT'),
  ('rail_currencies', 'table', ''),
  ('rails', 'table', '');
select set_eq($$select relation, kind, granted from pg_temp.relations('policy')$$, $$select * from expected_relations$$, 'INV-010: relations of policy and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('halts', 'entry_id uuid, halt_id uuid, action text, scope policy.halt_scope, rail text?, participant_id text?, direction policy.halt_direction, operator text, reason text, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('halts_in_force', 'halt_id uuid, scope policy.halt_scope, rail text?, participant_id text?, direction policy.halt_direction'),
  ('limit_usage', 'participant_id text, limit_day date, currency text, value_minor bigint, item_count bigint'),
  ('participant_limits', 'policy_version integer, participant_id text, currency text, transaction_max_minor bigint, day_value_max_minor bigint, day_count_max bigint'),
  ('participant_proxies', 'policy_version integer, participant_id text, mode text, ttl_ms integer, pending_max_ms integer, sync_budget_ms integer, misses_per_hour_max integer'),
  ('participant_rails', 'policy_version integer, participant_id text, rail text'),
  ('participants', 'policy_version integer, participant_id text, tenant_id text, home_cell_id text, home_cell_epoch integer, status policy.participant_status, in_flight_cap integer'),
  ('policy_versions', 'policy_version integer, checksum bytea, content jsonb, status policy.version_status, time_zone text, in_flight_cap_global integer, proposed_by text, proposed_at timestamp with time zone, activated_by text?, activated_at timestamp with time zone?, retired_at timestamp with time zone?'),
  ('rail_currencies', 'policy_version integer, rail text, currency text'),
  ('rails', 'policy_version integer, rail text, in_flight_cap integer, lease_ms integer, settle_ms integer, retry_max smallint, retry_base_ms integer, retry_cap_ms integer, enquiry_after_ms integer[]');
select set_eq($$select relation, columns from pg_temp.columns('policy')$$, $$select * from expected_columns$$, 'INV-004: columns of policy («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('halts', 'halt_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('halts', 'halt_is_set_or_lifted', 'CHECK ((action = ANY (ARRAY[''HALT''::text, ''LIFT''::text])))'),
  ('halts', 'halt_operator_is_named', 'CHECK ((((length(operator) >= 1) AND (length(operator) <= 100)) AND ((length(reason) >= 1) AND (length(reason) <= 500))))'),
  ('halts', 'halt_scope_has_its_subject', 'CHECK ((((scope = ''RAIL''::policy.halt_scope) = (rail IS NOT NULL)) AND ((scope = ''PARTICIPANT''::policy.halt_scope) = (participant_id IS NOT NULL))))'),
  ('halts', 'halts_pkey', 'PRIMARY KEY (entry_id)'),
  ('halts_in_force', 'halts_in_force_once', 'UNIQUE NULLS NOT DISTINCT (scope, rail, participant_id, direction)'),
  ('halts_in_force', 'halts_in_force_pkey', 'PRIMARY KEY (halt_id)'),
  ('limit_usage', 'limit_usage_is_never_negative', 'CHECK (((value_minor >= 0) AND (item_count >= 0)))'),
  ('limit_usage', 'limit_usage_pkey', 'PRIMARY KEY (participant_id, limit_day, currency)'),
  ('participant_limits', 'limit_currency_is_iso_4217_form', 'CHECK (((currency !~ ''[^A-Z]''::text) AND (length(currency) = 3)))'),
  ('participant_limits', 'limits_are_positive', 'CHECK ((((transaction_max_minor >= 1) AND (transaction_max_minor <= ''9007199254740991''::bigint)) AND ((day_value_max_minor >= 1) AND (day_value_max_minor <= ''4000000000000000000''::bigint)) AND ((day_count_max >= 1) AND (day_count_max <= ''1000000000000''::bigint))))'),
  ('participant_limits', 'participant_limits_pkey', 'PRIMARY KEY (policy_version, participant_id, currency)'),
  ('participant_limits', 'participant_limits_policy_version_participant_id_fkey', 'FOREIGN KEY (policy_version, participant_id) REFERENCES policy.participants(policy_version, participant_id)'),
  ('participant_proxies', 'participant_proxies_pkey', 'PRIMARY KEY (policy_version, participant_id)'),
  ('participant_proxies', 'participant_proxies_policy_version_participant_id_fkey', 'FOREIGN KEY (policy_version, participant_id) REFERENCES policy.participants(policy_version, participant_id)'),
  ('participant_proxies', 'proxy_misses_are_finite', 'CHECK (((misses_per_hour_max >= 1) AND (misses_per_hour_max <= 1000000)))'),
  ('participant_proxies', 'proxy_mode_is_known', 'CHECK ((mode = ANY (ARRAY[''DEFER''::text, ''SYNC''::text, ''REFUSE''::text])))'),
  ('participant_proxies', 'proxy_times_are_bounded', 'CHECK ((((ttl_ms >= 1000) AND (ttl_ms <= 86400000)) AND ((pending_max_ms >= 1000) AND (pending_max_ms <= 86400000)) AND ((sync_budget_ms >= 10) AND (sync_budget_ms <= 10000))))'),
  ('participant_rails', 'participant_rails_pkey', 'PRIMARY KEY (policy_version, participant_id, rail)'),
  ('participant_rails', 'participant_rails_policy_version_participant_id_fkey', 'FOREIGN KEY (policy_version, participant_id) REFERENCES policy.participants(policy_version, participant_id)'),
  ('participants', 'participant_id_is_an_identifier', 'CHECK (((participant_id !~ ''[^A-Z0-9._-]''::text) AND ((length(participant_id) >= 1) AND (length(participant_id) <= 32))))'),
  ('participants', 'participant_in_flight_cap_is_finite', 'CHECK (((in_flight_cap >= 1) AND (in_flight_cap <= 1000000)))'),
  ('participants', 'participants_pkey', 'PRIMARY KEY (policy_version, participant_id)'),
  ('participants', 'participants_policy_version_fkey', 'FOREIGN KEY (policy_version) REFERENCES policy.policy_versions(policy_version)'),
  ('policy_versions', 'policy_activation_is_named', 'CHECK (((activated_at IS NULL) = (activated_by IS NULL)))'),
  ('policy_versions', 'policy_active_has_activation', 'CHECK (((status = ''DRAFT''::policy.version_status) = (activated_at IS NULL)))'),
  ('policy_versions', 'policy_checksum_is_sha256', 'CHECK ((octet_length(checksum) = 32))'),
  ('policy_versions', 'policy_in_flight_cap_is_finite', 'CHECK (((in_flight_cap_global >= 1) AND (in_flight_cap_global <= 1000000)))'),
  ('policy_versions', 'policy_retired_has_time', 'CHECK (((status = ''RETIRED''::policy.version_status) = (retired_at IS NOT NULL)))'),
  ('policy_versions', 'policy_version_is_positive', 'CHECK ((policy_version >= 1))'),
  ('policy_versions', 'policy_versions_pkey', 'PRIMARY KEY (policy_version)'),
  ('rail_currencies', 'rail_currencies_pkey', 'PRIMARY KEY (policy_version, rail, currency)'),
  ('rail_currencies', 'rail_currencies_policy_version_rail_fkey', 'FOREIGN KEY (policy_version, rail) REFERENCES policy.rails(policy_version, rail)'),
  ('rail_currencies', 'rail_currency_is_iso_4217_form', 'CHECK (((currency !~ ''[^A-Z]''::text) AND (length(currency) = 3)))'),
  ('rails', 'rail_backoff_is_bounded', 'CHECK ((((retry_base_ms >= 1) AND (retry_base_ms <= retry_cap_ms)) AND (retry_cap_ms <= 3600000)))'),
  ('rails', 'rail_enquiry_ladder_is_finite', 'CHECK ((((cardinality(enquiry_after_ms) >= 1) AND (cardinality(enquiry_after_ms) <= 10)) AND (array_ndims(enquiry_after_ms) = 1) AND (array_position(enquiry_after_ms, NULL::integer) IS NULL) AND (0 < ALL (enquiry_after_ms))))'),
  ('rails', 'rail_in_flight_cap_is_finite', 'CHECK (((in_flight_cap >= 1) AND (in_flight_cap <= 1000000)))'),
  ('rails', 'rail_is_an_identifier', 'CHECK (((rail !~ ''[^a-z0-9_-]''::text) AND ((length(rail) >= 1) AND (length(rail) <= 32))))'),
  ('rails', 'rail_lease_is_bounded', 'CHECK (((lease_ms >= 1000) AND (lease_ms <= 600000)))'),
  ('rails', 'rail_retry_ceiling_is_finite', 'CHECK (((retry_max >= 0) AND (retry_max <= 100)))'),
  ('rails', 'rail_settle_is_bounded', 'CHECK (((settle_ms >= 0) AND (settle_ms <= 86400000)))'),
  ('rails', 'rails_pkey', 'PRIMARY KEY (policy_version, rail)'),
  ('rails', 'rails_policy_version_fkey', 'FOREIGN KEY (policy_version) REFERENCES policy.policy_versions(policy_version)');
select set_eq($$select relation, name, definition from pg_temp.constraints('policy')$$, $$select * from expected_constraints$$, 'INV-004: constraints of policy');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ux_halts_one_entry_per_action', 'CREATE UNIQUE INDEX ux_halts_one_entry_per_action ON policy.halts USING btree (halt_id, action)'),
  ('ux_policy_versions_one_active', 'CREATE UNIQUE INDEX ux_policy_versions_one_active ON policy.policy_versions USING btree (status) WHERE (status = ''ACTIVE''::policy.version_status)');
select set_eq($$select name, definition from pg_temp.indexes('policy')$$, $$select * from expected_indexes$$, 'INV-004: indexes of policy besides keys');

select is_empty($$select * from pg_temp.unguarded(array['policy.halts', 'policy.participants', 'policy.participant_rails', 'policy.participant_limits', 'policy.rails', 'policy.rail_currencies', 'policy.policy_versions'],
  'policy.guard_version()')$$,
  'INV-014: every ledger of policy and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select results_eq($$select x.indisunique, pg_get_expr(x.indpred, x.indrelid) collate "C" from pg_index as x where x.indexrelid = 'policy.ux_policy_versions_one_active'::regclass$$,
  $$values (true, '(status = ''ACTIVE''::policy.version_status)' collate "C")$$, 'INV-018: one ACTIVE version by a unique partial index');
select col_not_null('policy', 'policy_versions', 'checksum', 'INV-017: the checksum is NOT NULL');

select * from finish();
rollback;
