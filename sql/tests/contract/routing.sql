-- routing: the two-signal rule, the ladder, hold-down, cooldown, overrides, rules; by moving the clock's marks, not by waiting.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

-- What a healthy colour measures in one window; p_changes replaces members.
create function pg_temp.sample(p_colour text, p_changes jsonb default '{}') returns routing.health_sample_input language sql return
  jsonb_populate_record(null::routing.health_sample_input, jsonb_build_object('colour', p_colour, 'requests', 100, 'errors', 0,
    'latency_count', 10, 'latency_total_ms', 200, 'heartbeat_ok', true) || p_changes);

-- Lets time pass without waiting.
create function pg_temp.pass(p_time interval) returns void language sql begin atomic
  update routing.current set judged_to = judged_to - p_time, leave_after = leave_after - p_time, override_until = override_until - p_time;
  update routing.health_samples set recorded_at = recorded_at - p_time;
end;

-- «mode blue/green kind» after one evaluation.
create function pg_temp.evaluated() returns text language plpgsql as $$
declare
  v_now record;
begin
  v_now := routing.evaluate(p_actor => 'controller-1');
  return concat_ws(' ', v_now.mode, v_now.blue_weight_pct || '/' || v_now.green_weight_pct,
    (select d.kind from routing.routing_decisions as d where d.decision_id = v_now.decision_id));
end
$$;

-- A window of two seconds goes by, with these measurements (green, blue), and is judged.
create function pg_temp.judged(p_green jsonb default '{}', p_blue jsonb default '{}') returns text language plpgsql as $$
begin
  perform pg_temp.pass(interval '2 seconds');
  perform routing.record_health(p_samples => array[pg_temp.sample('green', p_green), pg_temp.sample('blue', p_blue)]);
  return pg_temp.evaluated();
end
$$;
create function pg_temp.decisions() returns bigint language sql begin atomic select count(*) from routing.routing_decisions; end;
-- Brings everything back to the beginning of a canary of green at its first step.
create function pg_temp.canary() returns void language plpgsql as $$
begin
  update routing.current set mode = 'NORMAL', stable_colour = 'blue', candidate_colour = null, ladder_step = 0, fallbacks = 0, breached_in_row = 0,
    healthy_in_row = 0, leave_after = null, override_until = null, stale_noted = false, blue_weight_pct = 100, green_weight_pct = 0;
  delete from routing.health_samples;
  perform routing.record_health(p_samples => array[pg_temp.sample('green'), pg_temp.sample('blue')]);
  perform routing.begin_canary(p_candidate => 'green', p_operator => 'O. Perator', p_reason => 'release');
end
$$;

-- The beginning
select results_eq($$select mode::text, stable_colour::text, candidate_colour::text, blue_weight_pct::integer, rules_version from routing.get_current()$$,
  $$values ('NORMAL', 'blue', null::text, 100, 1)$$, 'INV-019: everything on blue at first');
select is(pg_temp.evaluated(), 'NORMAL 100/0', 'INV-019: without a canary nothing is decided');
select throws_ok($$select routing.begin_canary('green', 'O. Perator', 'release')$$, 'SC704', null, 'INV-019: no canary of a colour without a heartbeat');
select is(routing.record_health(array[pg_temp.sample('green', '{"heartbeat_ok": false}')]), 1, 'INV-019: set-up');
select throws_ok($$select routing.begin_canary('green', 'O. Perator', 'release')$$, 'SC704', null, 'INV-019: nor of one whose heartbeat fails');
select routing.record_health(array[pg_temp.sample('green')]);
select throws_ok(format('select routing.begin_canary(%L, %L, %L)', c.colour, c.operator, c.reason), c.state, null, 'INV-019: refused canary: ' || c.what)
from (values ('no colour', null, 'o', 'r', 'SV705'), ('no operator', 'green', null, 'r', 'SV701'), ('blank operator', 'green', ' ', 'r', 'SV701'),
  ('no reason', 'green', 'o', null, 'SV701'), ('blank reason', 'green', 'o', E' \t', 'SV701'), ('long reason', 'green', 'o', repeat('x', 501), 'SV701'),
  ('the stable colour', 'blue', 'o', 'r', 'SC701')) as c(what, colour, operator, reason, state);
select is(pg_temp.decisions(), 0::bigint, 'INV-019: what is refused is no decision');

-- The ladder
select isnt(routing.begin_canary('green', 'O. Perator', 'release 2'), null, 'INV-019: a canary begins');
select results_eq($$select kind, actor, reason, blue_weight_before_pct::int, blue_weight_after_pct::int from routing.routing_decisions$$,
  $$values ('CANARY_BEGUN' collate "C", 'O. Perator', 'release 2', 100, 95)$$, 'INV-019: by whom, why, from what to what');
select throws_ok($$select routing.begin_canary('green', 'o', 'r')$$, 'SC703', null, 'INV-019: one canary at a time');
select is(array[pg_temp.judged(), pg_temp.judged(), pg_temp.judged()], array['NORMAL 95/5', 'NORMAL 95/5', 'NORMAL 75/25 CANARY_RAISED'],
  'INV-019: three healthy windows raise the canary one step');
select is(pg_temp.evaluated(), 'NORMAL 75/25', 'INV-019: an evaluation within the window decides nothing');
select is(array[pg_temp.judged(), pg_temp.judged('{"requests": 3}'), pg_temp.judged(), pg_temp.judged()],
  array['NORMAL 75/25', 'NORMAL 75/25', 'NORMAL 75/25', 'NORMAL 50/50 CANARY_RAISED'], 'INV-019: too few requests are no verdict');
select is(array[pg_temp.judged(), pg_temp.judged(), pg_temp.judged()], array['NORMAL 50/50', 'NORMAL 50/50', 'NORMAL 0/100 CANARY_RAISED'], 'INV-019: up to all');
select is(array[pg_temp.judged(), pg_temp.judged(), pg_temp.judged(), pg_temp.judged()],
  array['NORMAL 0/100', 'NORMAL 0/100', 'NORMAL 0/100 CANARY_COMPLETED', 'NORMAL 0/100'], 'INV-019: the ladder is complete, once');
select throws_ok($$select routing.begin_canary('green', 'o', 'r')$$, 'SC701', null, 'INV-019: the colour that carries everything is no candidate');
select isnt(routing.begin_canary('blue', 'o', 'release 3'), null, 'INV-019: the other one is');
select results_eq($$select stable_colour::text, candidate_colour::text, blue_weight_pct::integer from routing.get_current()$$, $$values ('green', 'blue', 5)$$,
  'INV-019: and green is the stable one from now on');
select is(array[pg_temp.judged(p_blue => '{"heartbeat_ok": false}'), pg_temp.judged(p_blue => '{"heartbeat_ok": false}'), pg_temp.judged(p_blue => '{"heartbeat_ok": false}')],
  array['NORMAL 5/95', 'NORMAL 5/95', 'FALLBACK_ACTIVE 0/100 FALLBACK'], 'INV-019: the same rules the other way round');

-- One signal alone never; two do. Each row is a window given five times.
create function pg_temp.five(p_green jsonb) returns text language plpgsql as $$
declare
  v_last text;
begin
  perform pg_temp.canary();
  for i in 1..5 loop v_last := pg_temp.judged(p_green); exit when v_last like '%FALLBACK%'; end loop;
  return v_last;
end
$$;
select is(pg_temp.five(w.green), 'NORMAL 95/5', 'INV-019: no fallback, and no rise, by ' || w.what)
from (values ('errors alone', '{"errors": 100}'::jsonb), ('latency alone', '{"latency_total_ms": 90000}'), ('queue age alone', '{"queue_age_ms": 90000}'),
  ('rail rejects alone', '{"rail_answers": 100, "rail_rejects": 90}'), ('three signals without errors',
    '{"latency_total_ms": 90000, "queue_age_ms": 90000, "rail_answers": 100, "rail_rejects": 90}'),
  ('both signals in too few requests', '{"requests": 19, "errors": 19, "latency_total_ms": 90000}'),
  ('errors exactly at the maximum', '{"errors": 5, "latency_total_ms": 90000}'), ('latency exactly at the maximum', '{"errors": 100, "latency_total_ms": 5000}'),
  ('errors between healthy and breached', '{"errors": 3}'), ('latency between healthy and breached', '{"latency_total_ms": 4000}'),
  ('nothing recorded, without errors', '{"latency_count": 0, "latency_total_ms": 0}'),
  ('rejects of too few rail answers', '{"errors": 100, "rail_answers": 19, "rail_rejects": 19}')) as w(what, green);
select is(pg_temp.five(w.green), 'FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: fallback by ' || w.what)
from (values ('errors and latency', '{"errors": 6, "latency_total_ms": 5010}'::jsonb), ('errors and queue age', '{"errors": 6, "queue_age_ms": 30001}'),
  ('errors in everything, so that there is no latency', '{"errors": 100, "latency_count": 0, "latency_total_ms": 0}'),
  ('errors and rail rejects', '{"errors": 6, "rail_answers": 20, "rail_rejects": 5}'), ('a missed heartbeat', '{"heartbeat_ok": false}'),
  ('the N-1 heartbeat', '{"read_back_ok": false}')) as w(what, green);
select pg_temp.canary();
select is(array[pg_temp.judged('{"read_back_ok": false}'), pg_temp.judged('{"read_back_ok": false}'), pg_temp.judged('{"read_back_ok": true}'),
    pg_temp.judged('{"read_back_ok": false}'), pg_temp.judged('{"read_back_ok": false}')],
  array_fill('NORMAL 95/5'::text, array[5]), 'INV-019: misses within what is forgiven are forgiven');
select is(pg_temp.judged('{"read_back_ok": false}'), 'FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: one more in a row is not');
select is(reason, 'READ_BACK_FAILED', 'INV-019: the reason is named') from routing.routing_decisions order by decision_id desc limit 1;
select pg_temp.canary();
select is(routing.record_health(array_fill(pg_temp.sample('green', '{"read_back_ok": false}'), array[9])), 9, 'INV-019: set-up');
select is(pg_temp.evaluated(), 'NORMAL 95/5', 'INV-019: misses of one moment are one miss, of the read-back too');
select is(pg_temp.five('{"read_back_owed": true}'), 'NORMAL 95/5', 'INV-019: a canary whose N-1 heartbeats prove nothing does not rise');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'NORMAL 95/5, NORMAL 95/5, NORMAL 75/25 CANARY_RAISED',
  'INV-019: it does once they do');

-- What decided stands in the decision
select pg_temp.canary();
select is(array[pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'), pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}')],
  array['NORMAL 95/5', 'FALLBACK_ACTIVE 100/0 FALLBACK'], 'INV-019: two windows in a row');
select is(d.facts -> 'candidate' ->> 'error_rate_pct', '50.00', 'INV-EVID-001: with the numbers that decided')
from routing.routing_decisions as d order by d.decision_id desc limit 1;
select results_eq($$select d.reason, d.actor, d.mode_before::text, (d.facts ->> 'hold_ms')::integer, d.facts -> 'candidate' ->> 'latency_mean_ms'
    from routing.routing_decisions as d order by d.decision_id desc limit 1$$,
  $$values ('TWO_SIGNALS', 'controller-1', 'NORMAL', 60000, '900.0')$$, 'INV-EVID-001: who, why, for how long');
select is_empty($$select d.decision_id from routing.routing_decisions as d, jsonb_path_query(d.facts, '$.**') as f
  where jsonb_typeof(f) not in ('object', 'number')$$, 'INV-LEAK-001: facts hold numbers only');
select is_empty($$select d.decision_id from routing.routing_decisions as d where d.commitment <> core.commitment(array['routing.routing_decisions',
    d.decision_id::text, d.kind, d.mode_before::text, d.mode_after::text, d.stable_colour::text, d.candidate_colour::text,
    d.blue_weight_before_pct::text, d.green_weight_before_pct::text, d.blue_weight_after_pct::text, d.green_weight_after_pct::text, d.actor, d.db_role, d.reason,
    d.rules_version::text, core.canonical_json(d.facts), core.epoch_us(d.decided_at)])$$, 'INV-EVID-001: every commitment can be recomputed from its row');

select is_empty($$select decision_id from routing.routing_decisions where db_role <> session_user$$, 'INV-EVID-001: the session''s login stands beside the name it gave');

-- Hold-down, cooldown, resumption, and a hold-down that grows
select is(pg_temp.judged(), 'FALLBACK_ACTIVE 100/0', 'INV-019: health does not shorten the hold-down');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'FALLBACK_ACTIVE 100/0, FALLBACK_ACTIVE 100/0, FALLBACK_ACTIVE 100/0',
  'INV-019: however long it lasts');
select throws_ok($$select routing.begin_canary('green', 'o', 'r')$$, 'SC703', null, 'INV-019: nor does an operator''s canary');
update routing.current set leave_after = clock_timestamp() + interval '1 second', healthy_in_row = 0;
select is(pg_temp.judged('{"requests": 0, "heartbeat_ok": false}') || ', ' || pg_temp.judged('{"requests": 0}'), 'FALLBACK_ACTIVE 100/0, FALLBACK_ACTIVE 100/0',
  'INV-019: nor does its end alone: healthy windows are needed too');
select is(pg_temp.judged('{"requests": 0}') || ', ' || pg_temp.judged('{"requests": 0}'), 'FALLBACK_ACTIVE 100/0, COOLDOWN 100/0 COOLDOWN_BEGUN',
  'INV-019: both lead to COOLDOWN, still with everything on blue');
select is(pg_temp.judged('{"requests": 0, "errors": 0}'), 'COOLDOWN 100/0', 'INV-019: COOLDOWN lasts');
select is(pg_temp.judged('{"errors": 100, "latency_total_ms": 90000}'), 'FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: the first breach in COOLDOWN falls back');
select is((d.facts ->> 'hold_ms')::integer, 120000, 'INV-019: and the hold-down is twice as long') from routing.routing_decisions as d order by d.decision_id desc limit 1;
select pg_temp.pass(interval '2 minutes');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'FALLBACK_ACTIVE 100/0, FALLBACK_ACTIVE 100/0, COOLDOWN 100/0 COOLDOWN_BEGUN',
  'INV-019: healthy again');
select pg_temp.pass(interval '30 seconds');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'COOLDOWN 100/0, COOLDOWN 100/0, NORMAL 95/5 CANARY_RESUMED',
  'INV-019: after COOLDOWN the canary starts at its first step');
update routing.current set fallbacks = 40;
select is(pg_temp.judged('{"heartbeat_ok": false}') || ', ' || pg_temp.judged('{"heartbeat_ok": false}') || ', ' || pg_temp.judged('{"heartbeat_ok": false}'),
  'NORMAL 95/5, NORMAL 95/5, FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: set-up');
select is((d.facts ->> 'hold_ms')::integer, 1800000, 'INV-019: the hold-down has a ceiling') from routing.routing_decisions as d order by d.decision_id desc limit 1;

-- A stable colour that is sick itself
select pg_temp.canary();
select pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}', '{"heartbeat_ok": false}');
select pg_temp.pass(interval '3 seconds');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}', '{"heartbeat_ok": false}'), 'NORMAL 95/5 TARGET_STALE', 'INV-019: no inversion to a stale colour');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}', '{"heartbeat_ok": false}') || ', ' || pg_temp.evaluated(), 'NORMAL 95/5, NORMAL 95/5',
  'INV-019: said once');
create function pg_temp.stale_windows(p_windows integer) returns bigint language plpgsql as $$
declare
  v_before bigint := pg_temp.decisions();
begin
  for i in 1..p_windows loop perform pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}', '{"heartbeat_ok": false}'); end loop;
  return pg_temp.decisions() - v_before;
end
$$;
select is(pg_temp.stale_windows(20), 0::bigint, 'INV-019: once, for however many windows');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'), 'FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: it happens as soon as somebody vouches for blue');

-- The database's clock is set back by hours: all marks and samples lie ahead
select pg_temp.canary();
select pg_temp.pass(interval '-3 hours');
select is(array[pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'), pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'),
  pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}')], array['NORMAL 95/5', 'NORMAL 95/5', 'FALLBACK_ACTIVE 100/0 FALLBACK'],
  'INV-019: judging begins again at once');
select is_empty($$select sample_id from routing.health_samples where recorded_at > clock_timestamp() + interval '1 minute'$$, 'INV-019: what was measured later than now is forgotten');
select pg_temp.pass(interval '-3 hours');
select is(pg_temp.evaluated(), 'FALLBACK_ACTIVE 100/0', 'INV-019: set-up');
select ok(leave_after <= clock_timestamp() + interval '30 minutes', 'INV-019: a hold-down ends within its ceiling') from routing.current;
select ok(judged_to <= clock_timestamp(), 'INV-019: and windows are judged') from routing.current;
select isnt(routing.abandon_canary('A. Lice', 'set-up'), null, 'INV-019: set-up') from (select routing.record_health(array[pg_temp.sample('blue')])) as s;
select is(routing.record_health(array[pg_temp.sample('green')]), 1, 'INV-019: set-up');
select pg_temp.pass(interval '-3 hours');
select throws_ok($$select routing.begin_canary('green', 'O. Perator', 'release')$$, 'SC704', null, 'INV-019: a heartbeat that lies ahead vouches for nobody');
select pg_temp.canary();
update routing.current set mode = 'COOLDOWN', leave_after = clock_timestamp() + interval '3 hours', ladder_step = 0;
select pg_temp.evaluated();
select ok(leave_after <= clock_timestamp() + interval '30 seconds', 'INV-019: COOLDOWN ends within its time') from routing.current;
select pg_temp.canary();
select isnt(routing.override(30, 'A. Lice', 'load test', '4 hours'), null, 'INV-019: set-up');
select pg_temp.pass(interval '-3 hours');
select is(pg_temp.evaluated(), 'NORMAL 30/70', 'INV-019: an override still holds');
select ok(override_until <= clock_timestamp() + interval '4 hours', 'INV-019: and ends within the longest time') from routing.current;

-- A person ends a canary
select pg_temp.canary();
select throws_ok(format('select routing.%s(%L, %L)', a.act, a.operator, a.reason), 'SV701', null, 'INV-019: unnamed ' || a.act || ' refused')
from (values ('abandon_canary', ' ', 'r'), ('abandon_canary', 'o', null), ('promote', null, 'r'), ('promote', 'o', ' ')) as a(act, operator, reason);
select throws_ok($$select routing.promote('o', 'r')$$, 'SC703', null, 'INV-019: no promotion before the ladder''s end');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}') || ', ' || pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'),
  'NORMAL 95/5, FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: set-up');
select throws_ok($$select routing.promote('o', 'r')$$, 'SC703', null, 'INV-019: nor of what fell back');
select isnt(routing.abandon_canary('A. Lice', 'release 2 is withdrawn'), null, 'INV-019: a canary that fell back is given up');
select results_eq($$select kind, actor, reason, mode_after::text, candidate_colour::text, blue_weight_after_pct::int from routing.routing_decisions order by decision_id desc limit 1$$,
  $$values ('CANARY_ABANDONED' collate "C", 'A. Lice', 'release 2 is withdrawn', 'NORMAL', null::text, 100)$$, 'INV-019: by whom and why');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'NORMAL 100/0, NORMAL 100/0, NORMAL 100/0, NORMAL 100/0',
  'INV-019: and does not come back by itself');
select throws_ok(format('select routing.%s(%L, %L)', a.act, 'o', 'r'), 'SN702', null, 'INV-019: nothing left to ' || a.act) from (values ('abandon_canary'), ('promote')) as a(act);
select isnt(routing.begin_canary('green', 'O. Perator', 'release 3'), null, 'INV-019: the next canary begins');
select pg_temp.pass(interval '10 seconds');
select throws_ok($$select routing.abandon_canary('o', 'r')$$, 'SC704', null, 'INV-019: not given up towards a stale colour');
select is(routing.record_health(array[pg_temp.sample('blue'), pg_temp.sample('green')]), 2, 'INV-019: set-up');
select isnt(routing.override(30, 'A. Lice', 'load test', '1 minute'), null, 'INV-019: set-up');
select isnt(routing.abandon_canary('A. Lice', 'over'), null, 'INV-019: given up under an override');
select is(pg_temp.evaluated(), 'NORMAL 30/70', 'INV-019: whose weights stay');
select isnt(routing.lift_override('A. Lice', 'over'), null, 'INV-019: until its end');
select is(pg_temp.evaluated(), 'NORMAL 100/0', 'INV-019: then everything is on the stable colour');

-- A complete canary is promoted, or given up
select pg_temp.canary();
update routing.current set ladder_step = 5, blue_weight_pct = 0, green_weight_pct = 100;
select isnt(routing.promote('A. Lice', 'release 2 stays'), null, 'INV-019: what completed its ladder becomes stable');
select results_eq($$select kind, actor, stable_colour::text, candidate_colour::text, blue_weight_before_pct::int, blue_weight_after_pct::int from routing.routing_decisions
  order by decision_id desc limit 1$$, $$values ('PROMOTED' collate "C", 'A. Lice', 'green', null::text, 0, 0)$$, 'INV-019: and no traffic moves by that');
select is(pg_temp.judged('{"heartbeat_ok": false}') || ', ' || pg_temp.judged('{"heartbeat_ok": false}') || ', ' || pg_temp.judged('{"heartbeat_ok": false}'),
  'NORMAL 0/100, NORMAL 0/100, NORMAL 0/100', 'INV-019: the older release is no target any more');
select throws_ok($$select routing.begin_canary('green', 'o', 'r')$$, 'SC701', null, 'INV-019: green is the stable one');
select isnt(routing.begin_canary('blue', 'o', 'release 3'), null, 'INV-019: the next canary is blue''s');
select pg_temp.canary();
update routing.current set ladder_step = 5, blue_weight_pct = 0, green_weight_pct = 100;
select isnt(routing.override(30, 'A. Lice', 'load test', '1 minute'), null, 'INV-019: set-up');
select isnt(routing.promote('A. Lice', 'release 2 stays'), null, 'INV-019: promoted under an override');
select is(pg_temp.evaluated(), 'NORMAL 30/70', 'INV-019: whose weights stay');
select isnt(routing.lift_override('A. Lice', 'over'), null, 'INV-019: until its end');
select is(pg_temp.evaluated(), 'NORMAL 0/100', 'INV-019: then everything is on the promoted colour');
select pg_temp.canary();
update routing.current set ladder_step = 5, blue_weight_pct = 0, green_weight_pct = 100;
select is(routing.record_health(array[pg_temp.sample('blue')]), 1, 'INV-019: set-up');
select isnt(routing.abandon_canary('A. Lice', 'back to release 1'), null, 'INV-019: a complete canary can still be given up');
select is(pg_temp.evaluated(), 'NORMAL 100/0', 'INV-019: which brings everything back');

-- Overrides
select pg_temp.canary();
select throws_ok(format('select routing.override(%L, %L, %L, %L)', o.weight, o.operator, o.reason, o.duration), o.state, null, 'INV-019: refused override: ' || o.what)
from (values ('weight below 0', -1, 'o', 'r', '1 minute', 'SV703'), ('weight above 100', 101, 'o', 'r', '1 minute', 'SV703'), ('no weight', null, 'o', 'r', '1 minute', 'SV703'),
  ('no operator', 50, '', 'r', '1 minute', 'SV701'), ('blank reason', 50, 'o', '  ', '1 minute', 'SV701'), ('no duration', 50, 'o', 'r', null, 'SV704'),
  ('too short', 50, 'o', 'r', '0.9 seconds', 'SV704'), ('too long', 50, 'o', 'r', '4 hours 1 second', 'SV704')) as o(what, weight, operator, reason, duration, state);
select throws_ok($$select routing.lift_override('o', 'r')$$, 'SN701', null, 'INV-019: there is none to lift');
select isnt(routing.override(30, 'A. Lice', 'load test', '1 minute'), null, 'INV-019: a person sets the weights');
select results_eq($$select kind, actor, reason, blue_weight_after_pct::integer from routing.routing_decisions order by decision_id desc limit 1$$,
  $$values ('OVERRIDE_SET' collate "C", 'A. Lice', 'load test', 30)$$, 'INV-019: by name and reason');
select throws_ok($$select routing.begin_canary('green', 'o', 'r')$$, 'SC702', null, 'INV-019: no canary meanwhile');
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'NORMAL 30/70, NORMAL 30/70, NORMAL 30/70, NORMAL 30/70',
  'INV-019: health moves nothing while it is in force');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}') || ', ' || pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'),
  'NORMAL 30/70, FALLBACK_ACTIVE 30/70 FALLBACK', 'INV-019: a breach is recorded, the weights stay the person''s');
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'), 'FALLBACK_ACTIVE 30/70', 'INV-019: once');
select isnt(routing.lift_override('B. Ob', 'done'), null, 'INV-019: it is lifted by name');
select is(pg_temp.evaluated(), 'FALLBACK_ACTIVE 100/0', 'INV-019: and the machine''s weights are back');
select pg_temp.canary();
select isnt(routing.override(30, 'A. Lice', 'load test', '1 second'), null, 'INV-019: set-up');
select is(pg_temp.judged(), 'NORMAL 95/5 OVERRIDE_EXPIRED', 'INV-019: an override ends by itself');
select results_eq($$select actor, reason from routing.routing_decisions order by decision_id desc limit 1$$, $$values ('controller-1', 'TIME_OVER')$$, 'INV-019: which is a decision of the controller');
select isnt(routing.override(0, 'A. Lice', 'blue is being repaired', '1 minute'), null, 'INV-019: set-up');
select pg_temp.pass(interval '10 seconds');
select throws_ok($$select routing.lift_override('B. Ob', 'done')$$, 'SC704', null, 'INV-019: not lifted towards a stale colour');
select isnt(routing.override(50, 'B. Ob', 'half of it works again', '1 minute'), null, 'INV-019: another may take its place');
select results_eq($$select blue_weight_before_pct::integer, blue_weight_after_pct::integer, actor from routing.routing_decisions order by decision_id desc limit 1$$,
  $$values (0, 50, 'B. Ob')$$, 'INV-019: which says what it replaced');
select isnt(routing.override(0, 'A. Lice', 'it does not', '1 minute'), null, 'INV-019: set-up');
select pg_temp.pass(interval '1 minute');
select is(pg_temp.judged(p_blue => '{"heartbeat_ok": false}') || ', ' || pg_temp.evaluated(), 'NORMAL 0/100 TARGET_STALE, NORMAL 0/100', 'INV-019: nor by its end, said once');
select is(pg_temp.judged(), 'NORMAL 95/5 OVERRIDE_EXPIRED', 'INV-019: but as soon as blue is back');

-- Rules
select throws_ok(format('select routing.publish_rules(%L, %L, %L)', r.changes, r.operator, 'why'), r.state, null, 'INV-019: refused rules: ' || r.what)
from (values ('nothing changed', '{}', 'o', 'SV702'), ('no object', '[1]', 'o', 'SV702'), ('null', null, 'o', 'SV702'), ('unknown member', '{"window": 5}', 'o', 'SV702'),
  ('its own version', '{"rules_version": 9}', 'o', 'SV702'), ('no operator', '{"window_ms": 500}', ' ', 'SV701'), ('healthy above maximum', '{"error_rate_healthy_pct": 5}', 'o', 'SV702'),
  ('a ladder without end', '{"canary_ladder_pct": [5, 50]}', 'o', 'SV702'), ('a ladder that falls', '{"canary_ladder_pct": [50, 5, 100]}', 'o', 'SV702'),
  ('a hold-down beyond its ceiling', '{"hold_down_ms": 1800001}', 'o', 'SV702'), ('a missing value', '{"window_ms": null}', 'o', 'SV702'),
  ('text', '{"window_ms": "soon"}', 'o', 'SV702'), ('too big', '{"window_ms": 99999999999}', 'o', 'SV702')) as r(what, changes, operator, state);
select is((select count(*) from routing.rules), 1::bigint, 'INV-019: refused rules are not written');
select throws_ok($$select routing.publish_rules('{"canary_ladder_pct": [10, 100]}', 'o', 'r')$$, 'SC703', null, 'INV-019: no other ladder under a canary');
select is((select count(*) from routing.rules), 1::bigint, 'INV-019: nor is it written');
update routing.current set ladder_step = 5, blue_weight_pct = 0, green_weight_pct = 100;
select is(routing.publish_rules('{"breach_windows": 1, "canary_ladder_pct": [10, 100]}', 'P. Olicy', 'quicker'), 2, 'INV-019: the next version');
select results_eq($$select breach_windows::integer, window_ms, published_by from routing.rules order by rules_version desc limit 1$$, $$values (1, 2000, 'P. Olicy')$$,
  'INV-019: only the named members change');
select is(ladder_step::integer, 3, 'INV-019: a complete ladder stays complete under another one') from routing.current;
select is(pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged() || ', ' || pg_temp.judged(), 'NORMAL 0/100, NORMAL 0/100, NORMAL 0/100, NORMAL 0/100',
  'INV-019: which completes nothing a second time');
select pg_temp.canary();
select is(pg_temp.judged('{"errors": 50, "latency_total_ms": 9000}'), 'FALLBACK_ACTIVE 100/0 FALLBACK', 'INV-019: the newest version decides');
select is(rules_version, 2, 'INV-019: and is named in the decision') from routing.routing_decisions order by decision_id desc limit 1;

-- Samples
select throws_ok($$select routing.record_health('{}')$$, 'SV401', null, 'INV-019: no samples');
select throws_ok($$select routing.record_health(null)$$, 'SV401', null, 'INV-019: null');
select throws_ok($$select routing.record_health(array_fill(pg_temp.sample('blue'), array[17]))$$, 'SV401', null, 'INV-019: too many samples');
select throws_ok($$select routing.record_health(array[pg_temp.sample('blue', '{"errors": 101}')])$$, '23514', null, 'INV-019: more errors than requests');
select throws_ok($$select routing.record_health(array[pg_temp.sample(null)])$$, '23502', null, 'INV-019: no colour');
select pg_temp.pass(interval '11 minutes');
select routing.record_health(array[pg_temp.sample('blue')]);
select is((select count(*) from routing.health_samples), 1::bigint, 'INV-019: old samples are removed');
select throws_ok($$select * from routing.evaluate(' ')$$, 'SV701', null, 'INV-019: an unnamed controller decides nothing');

-- Who may do what
create temp table call (statement text, allowed text[]);
insert into call values
  ($$select routing.record_health(array[row('blue', 1, 0, 1, 1, null, 0, 0, true, null, null)::routing.health_sample_input])$$, '{symphony_router}'),
  ($$select * from routing.evaluate('c')$$, '{symphony_router}'),
  ($$select * from routing.get_current()$$, '{symphony_router,symphony_operator}'),
  ($$select routing.begin_canary('green', 'o', 'r')$$, '{symphony_operator}'),
  ($$select routing.override(50, 'o', 'r', '1 minute')$$, '{symphony_operator}'),
  ($$select routing.lift_override('o', 'r')$$, '{symphony_operator}'),
  ($$select routing.abandon_canary('o', 'r')$$, '{symphony_operator}'), ($$select routing.promote('o', 'r')$$, '{symphony_operator}'),
  ($$select routing.publish_rules('{"window_ms": 500}', 'o', 'r')$$, '{symphony_policy_admin}'),
  ($$select routing.record_decision(now(), null, null, 'FALLBACK', 'a', 'b', 1, '{}')$$, '{}'),
  ($$select * from routing.lock_current()$$, '{}'),
  ($$select * from routing.routing_decisions$$, '{}'), ($$select * from routing.current$$, '{}'), ($$select * from routing.rules$$, '{}'),
  ($$select * from routing.health_samples$$, '{}'), ($$update routing.current set blue_weight_pct = 1$$, '{}'),
  ($$select * from evidence.routing_decisions$$, '{symphony_auditor}'), ($$select * from evidence.routing_rules$$, '{symphony_auditor}');
grant select on call to public;
create function pg_temp.refused_roles(p_statement text) returns text[] language plpgsql as $$
declare
  v_role text;
  v_refused text[] := '{}';
begin
  foreach v_role in array array['symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin', 'symphony_router',
    'symphony_sealer', 'symphony_maintainer', 'symphony_auditor'] loop
    begin
      execute format('set local role %I', v_role);
      execute p_statement;
    exception when insufficient_privilege then v_refused := v_refused || v_role;
      when others then null;
    end;
    reset role;
  end loop;
  return v_refused;
end
$$;
select set_eq(format('select unnest(pg_temp.refused_roles(%L))', c.statement),
  array(select r from unnest(array['symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin', 'symphony_router',
    'symphony_sealer', 'symphony_maintainer', 'symphony_auditor']) as r where r <> all (c.allowed)), 'INV-005: 42501 for all but ' || c.allowed::text || ': ' || c.statement)
from call as c;
set local role symphony_auditor;
select isnt_empty($$select kind from evidence.routing_decisions where actor = 'A. Lice'$$, 'INV-EVID-001: the auditor reads who decided');
select is((thresholds ->> 'breach_windows')::integer, 2, 'INV-EVID-001: and under which rules') from evidence.routing_rules where rules_version = 1;
reset role;

-- Nothing is rewritten
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values ($$update routing.routing_decisions set actor = 'nobody'$$), ($$delete from routing.routing_decisions$$), ($$truncate routing.routing_decisions$$),
  ($$update routing.rules set window_ms = 100$$), ($$delete from routing.rules$$),
  ($$truncate routing.rules cascade$$)) as s(statement);

select * from finish();
rollback;
