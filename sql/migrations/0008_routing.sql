-- routing: which of two ingress colours gets how much of the traffic, decided here and applied by a controller.

create type routing.colour as enum ('blue', 'green');
create type routing.mode as enum ('NORMAL', 'FALLBACK_ACTIVE', 'COOLDOWN');
alter type routing.colour owner to symphony_routing_owner;
alter type routing.mode owner to symphony_routing_owner;

create table routing.rules (
  rules_version integer primary key,
  window_ms integer not null,
  requests_min integer not null,
  error_rate_max_pct numeric(5, 2) not null,
  error_rate_healthy_pct numeric(5, 2) not null,
  latency_mean_max_ms integer not null,
  latency_mean_healthy_ms integer not null,
  queue_age_max_ms integer not null,
  rail_reject_rate_max_pct numeric(5, 2) not null,
  breach_windows smallint not null,
  healthy_windows smallint not null,
  heartbeat_interval_ms integer not null,
  heartbeat_misses_max smallint not null,
  hold_down_ms integer not null,
  hold_down_max_ms integer not null,
  cooldown_ms integer not null,
  canary_ladder_pct smallint[] not null,
  override_max_ms integer not null,
  sample_keep_ms integer not null,
  published_by text not null,
  reason text not null,
  published_at timestamptz not null,
  constraint rules_version_is_positive check (rules_version >= 1),
  constraint rules_window_is_bounded check (window_ms between 100 and 600000 and requests_min between 1 and 1000000),
  constraint rules_error_rates_leave_a_gap check (0 <= error_rate_healthy_pct and error_rate_healthy_pct < error_rate_max_pct and error_rate_max_pct < 100),
  constraint rules_latencies_leave_a_gap check (0 < latency_mean_healthy_ms and latency_mean_healthy_ms < latency_mean_max_ms and latency_mean_max_ms <= 600000),
  constraint rules_other_signals_are_bounded check (queue_age_max_ms between 1 and 86400000 and 0 < rail_reject_rate_max_pct and rail_reject_rate_max_pct < 100),
  constraint rules_rows_of_windows_are_bounded check (breach_windows between 1 and 100 and healthy_windows between 1 and 1000),
  constraint rules_heartbeat_is_bounded check (heartbeat_interval_ms between 50 and 600000 and heartbeat_misses_max between 0 and 100),
  constraint rules_hold_down_grows_to_a_ceiling check (window_ms <= hold_down_ms and hold_down_ms <= hold_down_max_ms and hold_down_max_ms <= 604800000),
  constraint rules_cooldown_is_bounded check (window_ms <= cooldown_ms and cooldown_ms <= 604800000),
  constraint rules_canary_ladder_ends_at_all check (cardinality(canary_ladder_pct) between 1 and 10 and array_ndims(canary_ladder_pct) = 1
    and array_position(canary_ladder_pct, null) is null and 1 <= all (canary_ladder_pct) and 100 >= all (canary_ladder_pct)
    and canary_ladder_pct[cardinality(canary_ladder_pct)] = 100),
  constraint rules_override_is_bounded check (override_max_ms between 1000 and 604800000),
  constraint rules_samples_outlive_what_is_judged check (sample_keep_ms <= 86400000 and sample_keep_ms >= 4 * window_ms
    and sample_keep_ms >= 2 * heartbeat_interval_ms * (heartbeat_misses_max + 1)),
  constraint rules_publisher_is_named check (published_by ~ '\S' and length(published_by) <= 100 and reason ~ '\S' and length(reason) <= 500)
);
alter table routing.rules owner to symphony_routing_owner;
comment on table routing.rules is 'Append-only versions of the thresholds; the highest version is in force.';
comment on column routing.rules.window_ms is 'Length of a window (milliseconds); a verdict is given once a window.';
comment on column routing.rules.requests_min is 'Fewer requests in a window give no verdict: neither breached nor healthy. Also the least rail answers for a reject rate.';
comment on column routing.rules.error_rate_healthy_pct is 'Hysteresis: healthy is below this, breached above the maximum, between them is neither.';
comment on column routing.rules.latency_mean_max_ms is 'Mean time of recording a batch (milliseconds), as the ingress measures it.';
comment on column routing.rules.breach_windows is 'Breached windows in a row that mean fallback.';
comment on column routing.rules.healthy_windows is 'Healthy windows in a row before the canary rises, and before FALLBACK_ACTIVE and COOLDOWN end.';
comment on column routing.rules.heartbeat_misses_max is 'Misses in a row that are forgiven. A colour without a good heartbeat for (misses + 1) intervals is stale and gets no more traffic.';
comment on column routing.rules.hold_down_ms is 'Least time in FALLBACK_ACTIVE (milliseconds), doubled with each further fallback of the same canary up to hold_down_max_ms.';
comment on column routing.rules.canary_ladder_pct is 'The candidate''s share, step by step.';

insert into routing.rules values (1, 2000, 20, 5, 1, 500, 250, 30000, 20, 2, 3, 1000, 2, 60000, 1800000, 30000, '{5, 25, 50, 100}', 14400000,
  600000, 'symphony', 'migration 0008', now());

create table routing.current (
  singleton boolean primary key default true,
  mode routing.mode not null,
  mode_since timestamptz not null,
  stable_colour routing.colour not null,
  candidate_colour routing.colour,
  blue_weight_pct smallint not null,
  green_weight_pct smallint not null,
  weights_since timestamptz not null,
  ladder_step smallint not null,
  fallbacks smallint not null,
  breached_in_row smallint not null,
  healthy_in_row smallint not null,
  judged_to timestamptz not null,
  leave_after timestamptz,
  override_until timestamptz,
  stale_noted boolean not null,
  decision_id uuid,
  constraint current_is_one_row check (singleton),
  constraint current_weights_are_all check (blue_weight_pct + green_weight_pct = 100 and blue_weight_pct between 0 and 100),
  constraint current_candidate_is_the_other check (candidate_colour <> stable_colour),
  constraint current_mode_has_its_end check ((mode = 'NORMAL') = (leave_after is null)),
  constraint current_fallback_has_a_candidate check (mode = 'NORMAL' or candidate_colour is not null),
  constraint current_counts_are_not_negative check (ladder_step >= 0 and fallbacks >= 0 and breached_in_row >= 0 and healthy_in_row >= 0),
  constraint current_step_is_of_a_candidate check ((ladder_step > 0) = (mode = 'NORMAL' and candidate_colour is not null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
alter table routing.current owner to symphony_routing_owner;
comment on table routing.current is
  'The one row that says what is in force. Moved only by the functions of this context, under its row lock; every move of mode or weights is a row of routing.routing_decisions in the same transaction.';
comment on column routing.current.stable_colour is 'The release everything goes back to (N-1 while a canary runs).';
comment on column routing.current.ladder_step is 'Step of the canary ladder, counted from 1; 0 when no canary has traffic.';
comment on column routing.current.fallbacks is 'Fallbacks of this canary so far; each doubles the hold-down. 0 again when the ladder''s end stayed healthy.';
comment on column routing.current.judged_to is 'End of the last window that was judged.';
comment on column routing.current.leave_after is 'FALLBACK_ACTIVE: end of the hold-down. COOLDOWN: its end.';
comment on column routing.current.override_until is 'While set, the weights are a person''s; evaluate takes them back after this time.';
comment on column routing.current.stale_noted is 'The decision TARGET_STALE has been written and nothing has changed since.';
insert into routing.current (mode, mode_since, stable_colour, blue_weight_pct, green_weight_pct, weights_since, ladder_step, fallbacks,
  breached_in_row, healthy_in_row, judged_to, stale_noted)
values ('NORMAL', now(), 'blue', 100, 0, now(), 0, 0, 0, 0, now(), false);

-- Not partitioned: a few rows a day, and no partition has to be made for it by a release that does not know it.
create table routing.routing_decisions (
  decision_id uuid not null,
  kind text collate "C" not null,
  mode_before routing.mode not null,
  mode_after routing.mode not null,
  stable_colour routing.colour not null,
  candidate_colour routing.colour,
  blue_weight_before_pct smallint not null,
  green_weight_before_pct smallint not null,
  blue_weight_after_pct smallint not null,
  green_weight_after_pct smallint not null,
  actor text not null,
  db_role text not null,
  reason text not null,
  rules_version integer not null references routing.rules,
  facts jsonb not null,
  decided_at timestamptz not null,
  commitment bytea not null,
  recorded_xid xid8 not null default pg_current_xact_id(),
  primary key (decision_id),
  constraint decision_kind_is_known check (kind in ('CANARY_BEGUN', 'CANARY_RAISED', 'CANARY_COMPLETED', 'FALLBACK', 'COOLDOWN_BEGUN', 'CANARY_RESUMED',
    'CANARY_ABANDONED', 'PROMOTED', 'TARGET_STALE', 'OVERRIDE_SET', 'OVERRIDE_LIFTED', 'OVERRIDE_EXPIRED')),
  constraint decision_weights_are_all check (blue_weight_before_pct + green_weight_before_pct = 100 and blue_weight_before_pct between 0 and 100
    and blue_weight_after_pct + green_weight_after_pct = 100 and blue_weight_after_pct between 0 and 100),
  constraint decision_actor_is_named check (actor ~ '\S' and length(actor) <= 100 and reason ~ '\S' and length(reason) <= 500),
  constraint decision_commitment_is_sha256 check (octet_length(commitment) = 32)
);
alter table routing.routing_decisions owner to symphony_routing_owner;
comment on table routing.routing_decisions is
  'Append-only: every move of mode or weights, and every move that had to be refused, with who, why and the numbers that decided.';
comment on column routing.routing_decisions.actor is 'The operator, or the controller that asked for the evaluation.';
comment on column routing.routing_decisions.db_role is 'The login of the session, which nobody chooses: a controller cannot pass for an operator.';
comment on column routing.routing_decisions.reason is 'The operator''s words; of the machine a code: TWO_SIGNALS, HEARTBEAT_MISSED, READ_BACK_FAILED, WINDOWS_HEALTHY, TIME_OVER.';
comment on column routing.routing_decisions.facts is 'What was measured of both colours in the window that decided: numbers only.';

create table routing.health_samples (
  sample_id uuid primary key default uuidv7(),
  colour routing.colour not null,
  recorded_at timestamptz not null,
  requests bigint not null,
  errors bigint not null,
  latency_count bigint not null,
  latency_total_ms bigint not null,
  queue_age_ms bigint,
  rail_answers bigint not null,
  rail_rejects bigint not null,
  heartbeat_ok boolean,
  read_back_ok boolean,
  read_back_owed boolean not null,
  constraint sample_errors_are_requests check (0 <= errors and errors <= requests),
  constraint sample_latency_is_not_negative check (latency_count >= 0 and latency_total_ms >= 0 and queue_age_ms >= 0),
  constraint sample_rejects_are_answers check (0 <= rail_rejects and rail_rejects <= rail_answers)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index ix_health_samples_colour on routing.health_samples (colour, recorded_at);
alter table routing.health_samples owner to symphony_routing_owner;
comment on table routing.health_samples is
  'Hot: what controllers measured lately, removed after sample_keep_ms. No ledger: what decided is copied into the decision''s facts.';
comment on column routing.health_samples.latency_total_ms is 'Sum over latency_count batches that were recorded (milliseconds).';
comment on column routing.health_samples.heartbeat_ok is 'Whether the colour said it was ready; null when it was not asked.';
comment on column routing.health_samples.read_back_ok is
  'The N-1 heartbeat: whether the other colour read back correctly an instruction that this colour had just acknowledged; null when it was not tried.';
comment on column routing.health_samples.read_back_owed is
  'The controller sends N-1 heartbeats and has had no good one of this colour lately: what is not proved does not rise.';

create type routing.health_sample_input as (
  colour routing.colour, requests bigint, errors bigint, latency_count bigint, latency_total_ms bigint, queue_age_ms bigint,
  rail_answers bigint, rail_rejects bigint, heartbeat_ok boolean, read_back_ok boolean,
  read_back_owed boolean
);
alter type routing.health_sample_input owner to symphony_routing_owner;
comment on type routing.health_sample_input is 'What a controller measured of one colour since its last sample: counts and sums, never rates.';

create type routing.health as (
  colour routing.colour, requests bigint, errors bigint, error_rate_pct numeric, latency_mean_ms numeric, queue_age_ms bigint,
  rail_reject_rate_pct numeric, heartbeats_missed bigint, heartbeat_age_ms bigint, read_backs_missed bigint, verdict text
);
alter type routing.health owner to symphony_routing_owner;
comment on type routing.health is 'A colour''s window, added up, and the verdict: SICK, BREACHED, HEALTHY, UNCLEAR, NONE (routing.assess).';

insert into core.errors (sqlstate, name, message, hint) values
  ('SV701', 'routing_actor_unnamed', 'a routing act needs a named operator and a reason', 'Pass both; at most 100 and 500 characters.'),
  ('SV702', 'routing_rules_invalid', 'the routing rules are not complete and consistent', 'Compare the named member with the constraints of routing.rules.'),
  ('SV703', 'routing_weight_out_of_range', 'a weight is a whole percentage from 0 to 100', 'Pass a weight within the bounds.'),
  ('SV704', 'override_duration_out_of_bounds', 'an override lasts from 1 second to the longest time of the rules in force', 'Pass a duration within the bounds.'),
  ('SV705', 'canary_colour_missing', 'a canary needs a colour', 'Pass blue or green.'),
  ('SC701', 'candidate_is_stable', 'the colour already carries the stable release', 'Name the other colour.'),
  ('SC702', 'override_in_force', 'a manual override is in force', 'Lift it first, or wait for its end.'),
  ('SC703', 'canary_under_way', 'a canary is under way or being held down', 'Wait until its ladder is complete.'),
  ('SC704', 'routing_target_stale', 'the colour that would get more traffic has no recent good heartbeat', 'Check that the colour and the controller run.'),
  ('SN701', 'override_not_in_force', 'no override is in force', 'Look at routing.get_current.'),
  ('SN702', 'canary_not_in_force', 'there is no canary', 'Look at routing.get_current.');
revoke all on type routing.colour, routing.mode, routing.health_sample_input, routing.health from public;
