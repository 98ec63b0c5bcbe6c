-- routing: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('routing');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_evidence_owner:USAGE, symphony_operator:USAGE, symphony_policy_admin:USAGE, symphony_router:USAGE',
  'INV-005: who sees names in routing') from pg_namespace where nspname = 'routing';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('routing.abandon_canary(text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('routing.assess(routing.colour,boolean,timestamp with time zone,timestamp with time zone,routing.rules)', 'plpgsql', 'stable', 'definer', ''),
  ('routing.begin_canary(routing.colour,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('routing.evaluate(text)', 'plpgsql', 'volatile', 'definer', 'symphony_router'),
  ('routing.facts(timestamp with time zone,timestamp with time zone,routing.current,routing.health,routing.health)', 'plpgsql', 'stable', 'invoker', ''),
  ('routing.get_current()', 'plpgsql', 'stable', 'definer', 'symphony_operator, symphony_router'),
  ('routing.get_rules()', 'plpgsql', 'stable', 'definer', ''),
  ('routing.is_fresh(routing.health,routing.rules)', 'plpgsql', 'immutable', 'invoker', ''),
  ('routing.lift_override(text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('routing.lock_current()', 'plpgsql', 'volatile', 'definer', ''),
  ('routing.override(integer,text,text,interval)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('routing.planned_blue_weight(routing.current,routing.rules)', 'plpgsql', 'immutable', 'invoker', ''),
  ('routing.promote(text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('routing.publish_rules(jsonb,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('routing.record_decision(timestamp with time zone,routing.current,routing.current,text,text,text,integer,jsonb)', 'plpgsql', 'volatile', 'definer', ''),
  ('routing.record_health(routing.health_sample_input[])', 'plpgsql', 'volatile', 'definer', 'symphony_router'),
  ('routing.require_fresh(routing.current,routing.current,timestamp with time zone,routing.rules)', 'plpgsql', 'stable', 'definer', ''),
  ('routing.require_named(text,text)', 'plpgsql', 'stable', 'definer', ''),
  ('routing.step(timestamp with time zone,routing.current,routing.rules,routing.health,routing.health)', 'plpgsql', 'stable', 'definer', ''),
  ('routing.weigh(routing.current,routing.rules,routing.health,routing.health,text,routing.current)', 'plpgsql', 'stable', 'definer', ''),
  ('routing.within_clock(routing.current,timestamp with time zone,routing.rules)', 'plpgsql', 'immutable', 'invoker', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('routing')$$, $$select * from expected_functions$$, 'INV-005: functions of routing and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('current', 'table', ''),
  ('health_samples', 'table', ''),
  ('routing_decisions', 'table', 'symphony_evidence_owner:SELECT'),
  ('rules', 'table', 'symphony_evidence_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('routing')$$, $$select * from expected_relations$$, 'INV-010: relations of routing and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('current', 'singleton boolean, mode routing.mode, mode_since timestamp with time zone, stable_colour routing.colour, candidate_colour routing.colour?, blue_weight_pct smallint, green_weight_pct smallint, weights_since timestamp with time zone, ladder_step smallint, fallbacks smallint, breached_in_row smallint, healthy_in_row smallint, judged_to timestamp with time zone, leave_after timestamp with time zone?, override_until timestamp with time zone?, stale_noted boolean, decision_id uuid?'),
  ('health_samples', 'sample_id uuid, colour routing.colour, recorded_at timestamp with time zone, requests bigint, errors bigint, latency_count bigint, latency_total_ms bigint, queue_age_ms bigint?, rail_answers bigint, rail_rejects bigint, heartbeat_ok boolean?, read_back_ok boolean?, read_back_owed boolean'),
  ('routing_decisions', 'decision_id uuid, kind text, mode_before routing.mode, mode_after routing.mode, stable_colour routing.colour, candidate_colour routing.colour?, blue_weight_before_pct smallint, green_weight_before_pct smallint, blue_weight_after_pct smallint, green_weight_after_pct smallint, actor text, db_role text, reason text, rules_version integer, facts jsonb, decided_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('rules', 'rules_version integer, window_ms integer, requests_min integer, error_rate_max_pct numeric(5,2), error_rate_healthy_pct numeric(5,2), latency_mean_max_ms integer, latency_mean_healthy_ms integer, queue_age_max_ms integer, rail_reject_rate_max_pct numeric(5,2), breach_windows smallint, healthy_windows smallint, heartbeat_interval_ms integer, heartbeat_misses_max smallint, hold_down_ms integer, hold_down_max_ms integer, cooldown_ms integer, canary_ladder_pct smallint[], override_max_ms integer, sample_keep_ms integer, published_by text, reason text, published_at timestamp with time zone');
select set_eq($$select relation, columns from pg_temp.columns('routing')$$, $$select * from expected_columns$$, 'INV-004: columns of routing («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('current', 'current_candidate_is_the_other', 'CHECK ((candidate_colour <> stable_colour))'),
  ('current', 'current_counts_are_not_negative', 'CHECK (((ladder_step >= 0) AND (fallbacks >= 0) AND (breached_in_row >= 0) AND (healthy_in_row >= 0)))'),
  ('current', 'current_fallback_has_a_candidate', 'CHECK (((mode = ''NORMAL''::routing.mode) OR (candidate_colour IS NOT NULL)))'),
  ('current', 'current_is_one_row', 'CHECK (singleton)'),
  ('current', 'current_mode_has_its_end', 'CHECK (((mode = ''NORMAL''::routing.mode) = (leave_after IS NULL)))'),
  ('current', 'current_pkey', 'PRIMARY KEY (singleton)'),
  ('current', 'current_step_is_of_a_candidate', 'CHECK (((ladder_step > 0) = ((mode = ''NORMAL''::routing.mode) AND (candidate_colour IS NOT NULL))))'),
  ('current', 'current_weights_are_all', 'CHECK ((((blue_weight_pct + green_weight_pct) = 100) AND ((blue_weight_pct >= 0) AND (blue_weight_pct <= 100))))'),
  ('health_samples', 'health_samples_pkey', 'PRIMARY KEY (sample_id)'),
  ('health_samples', 'sample_errors_are_requests', 'CHECK (((0 <= errors) AND (errors <= requests)))'),
  ('health_samples', 'sample_latency_is_not_negative', 'CHECK (((latency_count >= 0) AND (latency_total_ms >= 0) AND (queue_age_ms >= 0)))'),
  ('health_samples', 'sample_rejects_are_answers', 'CHECK (((0 <= rail_rejects) AND (rail_rejects <= rail_answers)))'),
  ('routing_decisions', 'decision_actor_is_named', 'CHECK (((actor ~ ''\S''::text) AND (length(actor) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('routing_decisions', 'decision_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('routing_decisions', 'decision_kind_is_known', 'CHECK ((kind = ANY (ARRAY[''CANARY_BEGUN''::text, ''CANARY_RAISED''::text, ''CANARY_COMPLETED''::text, ''FALLBACK''::text, ''COOLDOWN_BEGUN''::text, ''CANARY_RESUMED''::text, ''CANARY_ABANDONED''::text, ''PROMOTED''::text, ''TARGET_STALE''::text, ''OVERRIDE_SET''::text, ''OVERRIDE_LIFTED''::text, ''OVERRIDE_EXPIRED''::text])))'),
  ('routing_decisions', 'decision_weights_are_all', 'CHECK ((((blue_weight_before_pct + green_weight_before_pct) = 100) AND ((blue_weight_before_pct >= 0) AND (blue_weight_before_pct <= 100)) AND ((blue_weight_after_pct + green_weight_after_pct) = 100) AND ((blue_weight_after_pct >= 0) AND (blue_weight_after_pct <= 100))))'),
  ('routing_decisions', 'routing_decisions_pkey', 'PRIMARY KEY (decision_id)'),
  ('routing_decisions', 'routing_decisions_rules_version_fkey', 'FOREIGN KEY (rules_version) REFERENCES routing.rules(rules_version)'),
  ('rules', 'rules_canary_ladder_ends_at_all', 'CHECK ((((cardinality(canary_ladder_pct) >= 1) AND (cardinality(canary_ladder_pct) <= 10)) AND (array_ndims(canary_ladder_pct) = 1) AND (array_position(canary_ladder_pct, NULL::smallint) IS NULL) AND (1 <= ALL (canary_ladder_pct)) AND (100 >= ALL (canary_ladder_pct)) AND (canary_ladder_pct[cardinality(canary_ladder_pct)] = 100)))'),
  ('rules', 'rules_cooldown_is_bounded', 'CHECK (((window_ms <= cooldown_ms) AND (cooldown_ms <= 604800000)))'),
  ('rules', 'rules_error_rates_leave_a_gap', 'CHECK ((((0)::numeric <= error_rate_healthy_pct) AND (error_rate_healthy_pct < error_rate_max_pct) AND (error_rate_max_pct < (100)::numeric)))'),
  ('rules', 'rules_heartbeat_is_bounded', 'CHECK ((((heartbeat_interval_ms >= 50) AND (heartbeat_interval_ms <= 600000)) AND ((heartbeat_misses_max >= 0) AND (heartbeat_misses_max <= 100))))'),
  ('rules', 'rules_hold_down_grows_to_a_ceiling', 'CHECK (((window_ms <= hold_down_ms) AND (hold_down_ms <= hold_down_max_ms) AND (hold_down_max_ms <= 604800000)))'),
  ('rules', 'rules_latencies_leave_a_gap', 'CHECK (((0 < latency_mean_healthy_ms) AND (latency_mean_healthy_ms < latency_mean_max_ms) AND (latency_mean_max_ms <= 600000)))'),
  ('rules', 'rules_other_signals_are_bounded', 'CHECK ((((queue_age_max_ms >= 1) AND (queue_age_max_ms <= 86400000)) AND ((0)::numeric < rail_reject_rate_max_pct) AND (rail_reject_rate_max_pct < (100)::numeric)))'),
  ('rules', 'rules_override_is_bounded', 'CHECK (((override_max_ms >= 1000) AND (override_max_ms <= 604800000)))'),
  ('rules', 'rules_pkey', 'PRIMARY KEY (rules_version)'),
  ('rules', 'rules_publisher_is_named', 'CHECK (((published_by ~ ''\S''::text) AND (length(published_by) <= 100) AND (reason ~ ''\S''::text) AND (length(reason) <= 500)))'),
  ('rules', 'rules_rows_of_windows_are_bounded', 'CHECK ((((breach_windows >= 1) AND (breach_windows <= 100)) AND ((healthy_windows >= 1) AND (healthy_windows <= 1000))))'),
  ('rules', 'rules_samples_outlive_what_is_judged', 'CHECK (((sample_keep_ms <= 86400000) AND (sample_keep_ms >= (4 * window_ms)) AND (sample_keep_ms >= ((2 * heartbeat_interval_ms) * (heartbeat_misses_max + 1)))))'),
  ('rules', 'rules_version_is_positive', 'CHECK ((rules_version >= 1))'),
  ('rules', 'rules_window_is_bounded', 'CHECK ((((window_ms >= 100) AND (window_ms <= 600000)) AND ((requests_min >= 1) AND (requests_min <= 1000000))))');
select set_eq($$select relation, name, definition from pg_temp.constraints('routing')$$, $$select * from expected_constraints$$, 'INV-004: constraints of routing');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_health_samples_colour', 'CREATE INDEX ix_health_samples_colour ON routing.health_samples USING btree (colour, recorded_at)');
select set_eq($$select name, definition from pg_temp.indexes('routing')$$, $$select * from expected_indexes$$, 'INV-004: indexes of routing besides keys');

select is_empty($$select * from pg_temp.unguarded(array['routing.routing_decisions', 'routing.rules'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of routing and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select * from finish();
rollback;
