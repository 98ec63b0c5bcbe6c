-- ops: partitions and health.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();

select throws_ok(format('select * from ops.ensure_partitions(%L)', m.months), 'SV002', null, 'INV-014: refused months ahead: ' || coalesce(m.months::text, 'null'))
from (values (-1), (25), (null)) as m(months);
select pg_temp.establish();
select isnt_empty($$select * from ops.ensure_partitions(24)$$, 'INV-014: partitions are made ahead of time');
select is_empty($$select * from ops.ensure_partitions(24)$$, 'INV-014: once');
select is_empty($$select m.table_name from core.list_month_partitioned() as m where (select count(*) from pg_inherits as i
    where i.inhparent = format('%I.%I', m.schema_name, m.table_name)::regclass) < 25$$, 'INV-014: every registered ledger has them');
select is_empty($$select partition_name from ops.ensure_partitions(0) where deferred$$, 'INV-014: nothing is deferred where nobody is in the way');

-- Health, with something to see
select is(pg_temp.decided('O-' || n), 'ACCEPT', 'INV-WAKE-001: set-up O-' || n) from generate_series(1, 3) as n;
select is(pg_temp.claimed('w', p_limit => 2), 'O-1 DISPATCH 1, O-2 DISPATCH 1', 'INV-WAKE-001: set-up');
select is(pg_temp.answered('w', 'O-1', 'SUBMIT', 'HTTP_500'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-WAKE-001: set-up');
select evidence.open_case('ZM-BANK-A', 'COMPLAINT', null, '{}', 'act');
create function pg_temp.sample(p_metric text, p_labels jsonb) returns double precision language sql begin atomic
  select h.value from ops.health() as h where h.metric = p_metric and h.labels = p_labels;
end;
select is(pg_temp.sample('outbox_pending_depth', '{"rail": "sandbox", "action": "DISPATCH"}'), 1::double precision, 'INV-WAKE-001: queue depth by rail and action');
select is(pg_temp.sample('outbox_pending_depth', '{"rail": "sandbox", "action": "ENQUIRE"}'), 1::double precision, 'INV-WAKE-001: enquiries are counted apart');
select is(pg_temp.sample('in_flight_leases', '{"rail": "sandbox"}'), 1::double precision, 'INV-013: leases by rail');
select is(pg_temp.sample('stuck_dispatching_count', '{}'), 0::double precision, 'INV-013: nothing is stuck');
select is(pg_temp.sample('cases_open', '{"kind": "COMPLAINT"}'), 1::double precision, 'INV-EVID-001: open cases by kind');
select cmp_ok(pg_temp.sample('oldest_pending_age_seconds', '{}'), '>=', 0::double precision, 'INV-WAKE-001: the age of the oldest due item');
select cmp_ok(pg_temp.sample('uncertain_oldest_age_seconds', '{}'), '>=', 0::double precision, 'INV-015: the age of the oldest uncertainty');
select is(pg_temp.sample('partitions_ahead_months', '{"table": "outbox.payment_instructions"}'), 24::double precision, 'INV-014: months of partitions ahead');
select pg_temp.expire_leases();
select is(pg_temp.sample('stuck_dispatching_count', '{}'), 1::double precision, 'INV-013: an expired lease is stuck until repaired');
select set_has($$select distinct metric from ops.table_health()$$, $$values ('table_size_bytes'), ('index_size_bytes'), ('dead_tuples'), ('partitions_ahead_months')$$,
  'INV-PERF-001: the hot tables are watched');
select set_has($$select distinct labels ->> 'table' from ops.table_health()$$,
  $$values ('outbox.payment_outbox_pending'), ('outbox.payment_outbox_in_flight'), ('outbox.claim_gate'), ('policy.limit_usage')$$, 'INV-PERF-001: each of them');
select results_eq($$select fsync, synchronous_commit, full_page_writes, is_standby, cell_id, cell_epoch, policy_version from ops.get_status()$$,
  $$values ('on', 'on', 'on', false, 'cell-test', 1, 1)$$, 'INV-ACK-001: the server promises durability, and says which cell and policy it has');
select set_has($$select path from ops.list_applied_files()$$, $$values ('migrations/0002_core.sql'), ('functions/ingress/accept.sql'), ('grants.sql')$$,
  'INV-001: the files in force are listed');
select is_empty($$select path from ops.list_applied_files() where octet_length(sha256) <> 32$$, 'INV-001: with their SHA-256');

-- Drift
select is(pg_temp.sample('drift_status', '{}'), -1::double precision, 'INV-004: nobody has looked for drift');
select throws_ok(format('select ops.record_drift(%s, %s, %s, %L)', d.fingerprint, d.expected, d.differences, d.actor), '23502', null, 'INV-004: no report: ' || d.what)
from (values
  ('sha256(''a'')', 'sha256(''a'')', '1', 'symphony drift', 'the same, yet different lines'),
  ('sha256(''a'')', 'sha256(''b'')', '0', 'symphony drift', 'not the same, yet no different line'),
  ('sha256(''a'')', 'sha256(''b'')', '-1', 'symphony drift', 'fewer than no lines'),
  ('''x''', '''y''', '1', 'symphony drift', 'no SHA-256'),
  ('null', 'sha256(''b'')', '1', 'symphony drift', 'no fingerprint'),
  ('sha256(''a'')', 'sha256(''b'')', 'null', 'symphony drift', 'no count'),
  ('sha256(''a'')', 'sha256(''b'')', '1', '', 'by nobody')) as d(fingerprint, expected, differences, actor, what);
select is_empty($$select kind from evidence.evidence_events where kind like 'DRIFT%'$$, 'INV-004: what was refused wrote nothing');
set local role symphony_maintainer;
select ops.record_drift(p_fingerprint => sha256('a'), p_expected => sha256('a'), p_differences => 0, p_actor => 'symphony drift');
reset role;
select is(pg_temp.sample('drift_status', '{}'), 0::double precision, 'INV-004: a check without drift');
select ops.record_drift(p_fingerprint => sha256('a'), p_expected => sha256('b'), p_differences => 3, p_actor => 'symphony drift');
select is(pg_temp.sample('drift_status', '{}'), 1::double precision, 'INV-004: the last check counts');
select results_eq($$select kind, actor, facts from evidence.evidence_events where kind like 'DRIFT%' order by event_id$$,
  $$values ('DRIFT_CHECKED' collate "C", 'symphony drift', jsonb_build_object('fingerprint', encode(sha256('a'), 'hex'), 'expected', encode(sha256('a'), 'hex'), 'differences', 0)),
    ('DRIFT_FOUND' collate "C", 'symphony drift', jsonb_build_object('fingerprint', encode(sha256('a'), 'hex'), 'expected', encode(sha256('b'), 'hex'), 'differences', 3))$$,
  'INV-004: both checks are evidence');
set local role symphony_operator;
select throws_ok($$select ops.record_drift(p_fingerprint => sha256('a'), p_expected => sha256('a'), p_differences => 0, p_actor => 'x')$$, '42501', null, 'INV-005: only the maintainer records them');
reset role;

set local role symphony_maintainer;
select isnt_empty($$select * from ops.health()$$, 'INV-005: the maintainer reads health');
select is_empty($$select * from ops.ensure_partitions(1)$$, 'INV-005: the maintainer makes partitions');
reset role;

select * from finish();
rollback;
