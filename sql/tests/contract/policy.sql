-- policy: versions, decisions, limits, halts.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select core.establish_cell(p_cell_id => 'cell-test', p_epoch => 1);
select ops.ensure_partitions(p_months_ahead => 0);

-- Proposing
select is_empty($$select * from policy.get_active()$$, 'INV-016: the boot query finds no policy before one is activated');
select is(policy.propose(pg_temp.policy_document(1), 'maker'), sha256(convert_to(core.canonical_json(pg_temp.policy_document(1)), 'UTF8')),
  'INV-017: the checksum is the SHA-256 of the RFC 8785 form');
select is(policy.propose(pg_temp.policy_document(1), 'maker'), policy.propose(pg_temp.policy_document(1), 'another'),
  'INV-017: proposing the same document again gives the same checksum');
select is(count(*), 1::bigint, 'INV-017: and records it once') from policy.policy_versions;
select throws_ok($$select policy.propose(pg_temp.policy_document(1, '{"time_zone": "UTC"}'), 'maker')$$, 'SC201', null,
  'INV-017: a version number never gets other content');
select throws_ok($$select policy.propose(pg_temp.policy_document(2, '{"time_zone": "Mars/Olympus"}'), 'maker')$$, 'SV201', null,
  'INV-016: an unknown time zone is refused');
select throws_ok($$select policy.propose(pg_temp.policy_document(2), '')$$, 'SV201', null, 'INV-016: a proposal has an operator');
select throws_ok(format('select policy.propose(pg_temp.policy_document(2, %L), %L)', d.change, 'maker'), 'SV201', null,
  'INV-016: refused document: ' || d.what)
from (values
  ('no version', '{"version": null}'), ('version zero', '{"version": 0}'), ('version in letters', '{"version": "two"}'),
  ('version beyond integer', '{"version": 99999999999}'), ('no global cap', '{"caps": {}}'),
  ('unbounded global cap', '{"caps": {"in_flight_global": 100000000}}'),
  ('rails no list', '{"rails": 1}'), ('a rail without a retry ceiling', '{"rails": [{"rail": "sandbox", "currencies": ["ZMW"],
    "in_flight_cap": 1, "lease_ms": 1000, "settle_ms": 0, "retry_base_ms": 1, "retry_cap_ms": 1, "enquiry_after_ms": [1]}]}'),
  ('a retry ceiling without an end', '{"rails": [{"rail": "sandbox", "currencies": ["ZMW"], "in_flight_cap": 1, "lease_ms": 1000,
    "settle_ms": 0, "retry_max": 101, "retry_base_ms": 1, "retry_cap_ms": 1, "enquiry_after_ms": [1]}]}'),
  ('an empty enquiry ladder', '{"rails": [{"rail": "sandbox", "currencies": ["ZMW"], "in_flight_cap": 1, "lease_ms": 1000,
    "settle_ms": 0, "retry_max": 1, "retry_base_ms": 1, "retry_cap_ms": 1, "enquiry_after_ms": []}]}'),
  ('a lease of a day', '{"rails": [{"rail": "sandbox", "currencies": ["ZMW"], "in_flight_cap": 1, "lease_ms": 86400000,
    "settle_ms": 0, "retry_max": 1, "retry_base_ms": 1, "retry_cap_ms": 1, "enquiry_after_ms": [1]}]}'),
  ('a participant on a rail that is not described', '{"rails": []}'),
  ('a participant without a home cell', '{"participants": [{"participant_id": "P", "tenant_id": "T", "home_cell_epoch": 1,
    "status": "ACTIVE", "in_flight_cap": 1, "rails": [], "limits": []}]}'),
  ('a participant of unknown status', '{"participants": [{"participant_id": "P", "tenant_id": "T", "home_cell_id": "c",
    "home_cell_epoch": 1, "status": "FRIENDLY", "in_flight_cap": 1, "rails": [], "limits": []}]}'),
  ('a participant twice', '{"participants": [{"participant_id": "P", "tenant_id": "T", "home_cell_id": "c", "home_cell_epoch": 1,
    "status": "ACTIVE", "in_flight_cap": 1, "rails": [], "limits": []}, {"participant_id": "P", "tenant_id": "T",
    "home_cell_id": "c", "home_cell_epoch": 1, "status": "ACTIVE", "in_flight_cap": 1, "rails": [], "limits": []}]}'),
  ('a limit without a count', '{"participants": [{"participant_id": "P", "tenant_id": "T", "home_cell_id": "c", "home_cell_epoch": 1,
    "status": "ACTIVE", "in_flight_cap": 1, "rails": [], "limits": [{"currency": "ZMW", "transaction_max_minor": 1,
    "day_value_max_minor": 1}]}]}'),
  ('rails missing', '{"rails": null, "participants": []}'),
  ('participants missing', '{"participants": null}')
) as d(what, change);
select throws_ok(format('select policy.propose(%L, %L)', d.document, 'maker'), 'SV201', null, 'INV-016: refused document: ' || d.document)
from (values ('[]'), ('"x"'), ('{}'), (null)) as d(document);
select is(count(*), 1::bigint, 'INV-016: a refused document leaves nothing') from policy.policy_versions;
select throws_ok($$select policy.propose(pg_temp.policy_document(3) - 'rails' - 'participants', 'maker')$$, 'SV201', null,
  'INV-016: refused document: no rails and no participants at all');
select throws_ok($$select policy.project(1, pg_temp.policy_document(1))$$, '23505', null, 'INV-014: a version is spread over its tables once');
select throws_ok($$insert into policy.policy_versions (policy_version, content, time_zone, in_flight_cap_global, proposed_by, proposed_at)
  values (9, '{}', 'UTC', 1, 'x', now())$$, '23502', null, 'INV-017: a policy version has a checksum');
select throws_ok($$insert into policy.policy_versions (policy_version, checksum, content, time_zone, in_flight_cap_global, proposed_by,
  proposed_at) values (9, '\x00', '{}', 'UTC', 1, 'x', now())$$, '23514', null, 'INV-017: a checksum is a SHA-256');

-- Activating
select throws_ok($$select policy.activate(1, '\x00', 'checker')$$, 'SN201', null, 'INV-018: activation names the checksum it means');
select throws_ok($$select policy.activate(8, '\x00', 'checker')$$, 'SN201', null, 'INV-018: an unknown version is not activated');
select throws_ok($$select policy.activate(1, policy.propose(pg_temp.policy_document(1), 'maker'), '')$$, 'SN201', null,
  'INV-018: activation has an operator');
select lives_ok($$select pg_temp.activate(pg_temp.policy_document(1))$$, 'INV-018: a draft is activated');
select lives_ok($$select pg_temp.activate(pg_temp.policy_document(1))$$, 'INV-018: activating the active version does nothing');
select lives_ok($$select pg_temp.activate(pg_temp.policy_document(2))$$, 'INV-018: the next version takes over');
select results_eq($$select policy_version, status::text from policy.policy_versions where policy_version < 3 order by 1$$,
  $$values (1, 'RETIRED'), (2, 'ACTIVE')$$, 'INV-018: exactly one version is ACTIVE');
select throws_ok($$update policy.policy_versions set status = 'ACTIVE', retired_at = null where policy_version = 1$$, '23505', null,
  'INV-018: a second ACTIVE version is refused by its index');
select lives_ok($$select pg_temp.activate(pg_temp.policy_document(1))$$, 'INV-018: going back is an activation too');
select results_eq($$select a.policy_version, a.checksum, a.in_flight_cap_global from policy.get_active() as a$$,
  $$select 1, sha256(convert_to(core.canonical_json(pg_temp.policy_document(1)), 'UTF8')), 1000$$,
  'INV-016: the boot query gives version, checksum and caps');
select is(limit_day, (clock_timestamp() at time zone 'Africa/Lusaka')::date, 'INV-016: the limit day is the day in the policy''s time zone')
from policy.get_active();
select results_eq($$select (facts ->> 'policy_version')::integer from evidence.evidence_events where kind = 'POLICY_ACTIVATED' order by event_id$$,
  array[1, 2, 1], 'INV-EVID-001: every activation is an evidence event');

-- Versions do not change
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values
  ($$update policy.policy_versions set content = '{}' where policy_version = 1$$),
  ($$update policy.policy_versions set checksum = sha256('') where policy_version = 1$$),
  ($$update policy.policy_versions set time_zone = 'UTC', status = 'RETIRED', retired_at = now() where policy_version = 1$$),
  ($$update policy.policy_versions set status = 'DRAFT', activated_at = null, activated_by = null where policy_version = 1$$),
  ($$update policy.policy_versions set activated_by = 'someone else' where policy_version = 1$$),
  ($$delete from policy.policy_versions where policy_version = 2$$),
  ($$truncate policy.policy_versions cascade$$),
  ($$update policy.participants set status = 'ACTIVE'$$), ($$delete from policy.participants$$),
  ($$delete from policy.participant_rails$$), ($$update policy.participant_limits set day_count_max = 1000000$$),
  ($$update policy.rails set retry_max = 100$$), ($$delete from policy.rail_currencies$$)) as s(statement);

-- What the outbox reads
select results_eq($$select rail collate "C", in_flight_cap, retry_max::integer, retired from policy.list_rails() order by 1$$,
  $$values ('backup' collate "C", 100, 1, false), ('sandbox', 100, 2, false)$$, 'INV-015: the budgets of the active rails are finite');
select set_has($$select participant_id, in_flight_cap from policy.list_participant_caps()$$, $$values ('ZM-BANK-A', 50)$$,
  'INV-BATCH-002: every participant has an in-flight cap');
select is(policy.known_participants(array['ZM-BANK-B', 'NOBODY', 'ZM-BANK-A', 'ZM-BANK-B']), array['ZM-BANK-A', 'ZM-BANK-B'],
  'INV-011: known participants come once each and in lock order');
select is(policy.known_participants('{}'), '{}', 'INV-011: nobody asked, nobody known');

-- The first failing rule
create function pg_temp.reason(p_payment policy.payment) returns text language sql begin atomic
  select r[1] from policy.static_reasons(1, array[p_payment]) as r;
end;
select is(pg_temp.reason(row(1, p.id, p.rail, p.currency, p.amount, p.creditor)::policy.payment), p.reason, 'INV-005: ' || p.what)
from (values
  ('a good payment passes', 'ZM-BANK-A', 'sandbox', 'ZMW', 100000, 'ZM-BANK-B', null),
  ('no creditor participant passes', 'ZM-BANK-A', 'sandbox', 'ZMW', 1, null, null),
  ('a send-only participant sends', 'ZM-SENDS', 'sandbox', 'ZMW', 1, null, null),
  ('an unknown participant comes first', 'NOBODY', 'x', 'XXX', 100001, 'NOBODY', 'PARTICIPANT_UNKNOWN'),
  ('another cell', 'ZM-ELSEWHERE', 'x', 'XXX', 100001, 'NOBODY', 'CELL_NOT_HOME'),
  ('another epoch', 'ZM-MOVED', 'x', 'XXX', 100001, 'NOBODY', 'CELL_NOT_HOME'),
  ('a suspended participant', 'ZM-SUSPENDED', 'x', 'XXX', 100001, 'NOBODY', 'PARTICIPANT_NOT_SENDING'),
  ('a receive-only participant', 'ZM-RECEIVES', 'x', 'XXX', 100001, 'NOBODY', 'PARTICIPANT_NOT_SENDING'),
  ('a rail that is not allowed', 'ZM-BANK-B', 'backup', 'XXX', 100001, 'NOBODY', 'RAIL_NOT_ALLOWED'),
  ('an unknown creditor participant', 'ZM-BANK-A', 'sandbox', 'XXX', 100001, 'NOBODY', 'CREDITOR_PARTICIPANT_UNKNOWN'),
  ('a creditor that only sends', 'ZM-BANK-A', 'sandbox', 'XXX', 100001, 'ZM-SENDS', 'CREDITOR_NOT_RECEIVING'),
  ('a suspended creditor', 'ZM-BANK-A', 'sandbox', 'XXX', 100001, 'ZM-SUSPENDED', 'CREDITOR_NOT_RECEIVING'),
  ('a currency without a limit row', 'ZM-BANK-A', 'sandbox', 'USD', 100001, 'ZM-BANK-B', 'CURRENCY_NOT_ALLOWED'),
  ('an amount over the transaction limit', 'ZM-BANK-A', 'sandbox', 'ZMW', 100001, 'ZM-BANK-B', 'LIMIT_TRANSACTION')
) as p(what, id, rail, currency, amount, creditor, reason);

-- Day limits
create function pg_temp.refused(p_amounts bigint[]) returns text language sql begin atomic
  select string_agg(d.item_no || ' ' || d.reason_code, ', ' order by d.item_no)
  from policy.get_active() as g, policy.decide(g.policy_version, g.limit_day, array(select row(a.n::integer, 'ZM-BANK-A', 'sandbox', 'ZMW', a.amount, null)::policy.payment
    from unnest(p_amounts) with ordinality as a(amount, n))) as d;
end;
select is(pg_temp.refused(array[100000, 100000]), null, 'INV-005: what fits into the day passes');
select is(value_minor || ' ' || item_count, '200000 2', 'INV-005: and is counted') from policy.limit_usage;
select is(pg_temp.refused(array_fill(100000, array[9])), '9 LIMIT_DAY_VALUE', 'INV-005: of a group that does not fit whole, what fits in order passes');
select is(value_minor || ' ' || item_count, '1000000 10', 'INV-005: usage never exceeds the day''s value') from policy.limit_usage;
select is(pg_temp.refused(array[1]), '1 LIMIT_DAY_VALUE', 'INV-005: not one minor unit more');
select policy.release_usage(array_fill(row('ZM-BANK-A', limit_day, 'ZMW', 99999)::policy.usage, array[10])) from policy.get_active();
select is(value_minor || ' ' || item_count, '10 0', 'INV-005: released usage is given back by value and count') from policy.limit_usage;
select is(pg_temp.refused(array_fill(1, array[102])), '101 LIMIT_DAY_COUNT, 102 LIMIT_DAY_COUNT', 'INV-005: the day''s count is exact');
select throws_ok($$select policy.release_usage(array[row('ZM-BANK-A', limit_day, 'ZMW', 111)::policy.usage]) from policy.get_active()$$,
  '23514', null, 'INV-005: more than was taken is never given back');
select is(policy.admit_in_order(1, '2031-01-01', array[row(1, 'ZM-BANK-A', 'sandbox', 'ZMW', 600000, null),
  row(2, 'ZM-BANK-A', 'sandbox', 'ZMW', 600000, null), row(3, 'ZM-BANK-A', 'sandbox', 'ZMW', 400000, null)]::policy.payment[],
  array[null, null, null], array['ZM-BANK-A ZMW']), array[null, 'LIMIT_DAY_VALUE', null],
  'INV-005: a later smaller item fits where an earlier one did not');

-- Halts
select throws_ok(format('select policy.halt(%L, %L, %L, %L, %L, %L)', h.scope, h.rail, h.participant, h.direction, h.operator, h.reason),
  'SV202', null, 'INV-005: refused halt: ' || h.what)
from (values
  ('a rail halt without a rail', 'RAIL', null, null, 'BOTH', 'op', 'why'), ('a global halt with a rail', 'GLOBAL', 'sandbox', null, 'BOTH', 'op', 'why'),
  ('a participant halt without one', 'PARTICIPANT', null, null, 'BOTH', 'op', 'why'), ('no direction', 'GLOBAL', null, null, null, 'op', 'why'),
  ('no operator', 'GLOBAL', null, null, 'BOTH', '', 'why'), ('no reason', 'GLOBAL', null, null, 'BOTH', 'op', null),
  ('no scope', null, null, null, 'BOTH', 'op', 'why'),
  ('a rail that no policy knows', 'RAIL', 'sandbx', null, 'BOTH', 'op', 'why'),
  ('a participant that no policy knows', 'PARTICIPANT', null, 'ZM-BANK-Z', 'BOTH', 'op', 'why')) as h(what, scope, rail, participant, direction, operator, reason);
create temp table set_halts as
select h.name, policy.halt(h.scope::policy.halt_scope, h.rail, h.participant, h.direction::policy.halt_direction, 'operator-1', 'drill') as id
from (values ('receiver', 'PARTICIPANT', null, 'ZM-BANK-B', 'RECEIVE'), ('sender', 'PARTICIPANT', null, 'ZM-BANK-A', 'SEND'),
  ('rail', 'RAIL', 'sandbox', null, 'BOTH'), ('global', 'GLOBAL', null, null, 'BOTH')) as h(name, scope, rail, participant, direction);
select throws_ok($$select policy.halt('GLOBAL', null, null, 'BOTH', 'op', 'again')$$, 'SC202', null, 'INV-005: a halt is set once');
select is(count(*), 4::bigint, 'INV-005: the halts in force are listed') from policy.list_halts();
select is(policy.halt_reason(array(select h from policy.list_halts() as h), 'backup', 'ZM-BANK-B', 'ZM-BANK-A'), 'HALTED_GLOBAL',
  'INV-005: a global halt stops everything');
select is(pg_temp.reason(row(1, 'ZM-BANK-A', 'sandbox', 'ZMW', 100001, 'ZM-BANK-B')), 'HALTED_GLOBAL', 'INV-005: the widest halt names the reason');
select policy.lift_halt(id, 'operator-2', 'drill over') from set_halts where name = 'global';
select is(pg_temp.reason(row(1, 'ZM-BANK-A', 'sandbox', 'ZMW', 1, 'ZM-BANK-B')), 'HALTED_RAIL', 'INV-005: then the rail''s');
select policy.lift_halt(id, 'operator-2', 'drill over') from set_halts where name = 'rail';
select is(pg_temp.reason(row(1, 'ZM-BANK-A', 'sandbox', 'ZMW', 1, 'ZM-BANK-B')), 'HALTED_SENDER', 'INV-005: then the sender''s');
select is(pg_temp.reason(row(1, 'ZM-BANK-B', 'sandbox', 'ZMW', 1, 'ZM-BANK-A')), null, 'INV-005: a halt of sending does not stop receiving');
select policy.lift_halt(id, 'operator-2', 'drill over') from set_halts where name = 'sender';
select is(pg_temp.reason(row(1, 'ZM-BANK-A', 'sandbox', 'ZMW', 1, 'ZM-BANK-B')), 'HALTED_RECEIVER', 'INV-005: then the receiver''s');
select is(pg_temp.reason(row(1, 'ZM-BANK-B', 'sandbox', 'ZMW', 1, null)), null, 'INV-005: a halt of receiving does not stop sending');
select throws_ok($$select policy.lift_halt(id, '', 'x') from set_halts where name = 'receiver'$$, 'SV202', null, 'INV-005: a lift has an operator');
select lives_ok($$select policy.lift_halt(id, 'operator-2', 'drill over') from set_halts where name = 'receiver'$$, 'INV-005: a halt is lifted');
select throws_ok($$select policy.lift_halt(id, 'operator-2', 'x') from set_halts where name = 'receiver'$$, 'SN202', null,
  'INV-005: a halt is lifted once');
select is_empty($$select * from policy.list_halts()$$, 'INV-005: no halt is left in force');
select results_eq($$select action, count(*)::integer from policy.halts group by 1 order by 1$$, $$values ('HALT' collate "C", 4), ('LIFT', 4)$$,
  'INV-014: every halt and lift is in the ledger');
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values ($$update policy.halts set reason = 'none'$$), ($$delete from policy.halts$$), ($$truncate policy.halts$$)) as s(statement);

select * from finish();
rollback;
