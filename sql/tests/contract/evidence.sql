-- evidence: events, cases, decisions, the auditors' views.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

-- Events
create temp table recorded as select evidence.record_event('DRILL_HELD', 'operator', '{"b": 1, "a": "x"}') as id;
select results_eq($$select e.participant_id, e.kind, e.actor, e.facts from evidence.evidence_events as e join recorded on e.event_id = recorded.id$$,
  $$values ('-' collate "C", 'DRILL_HELD' collate "C", 'operator', '{"b": 1, "a": "x"}'::jsonb)$$, 'INV-EVID-001: an event is recorded');
select is(e.commitment, core.commitment(array['evidence.evidence_events', e.participant_id, e.event_id::text, e.kind, e.outbox_id::text, e.actor,
  core.canonical_json(e.facts), core.epoch_us(e.recorded_at)]), 'INV-EVID-001: its commitment can be recomputed from the row')
from evidence.evidence_events as e join recorded on e.event_id = recorded.id;
select throws_ok($$select evidence.record_event('drill', 'operator', '{}')$$, '23514', null, 'INV-EVID-001: a malformed kind is refused');
select throws_ok($$select evidence.record_event('DRILL', null, '{}')$$, '23502', null, 'INV-EVID-001: an event has an actor');

-- Cases
select throws_ok(format('select evidence.open_case(%L, %L, null, %L, %L)', c.participant, c.kind, c.facts, c.next_action), 'SV101', null,
  'INV-EVID-001: refused case: ' || c.what)
from (values ('no participant', null, 'K', '{}', 'act'), ('no kind', 'P', null, '{}', 'act'), ('no facts', 'P', 'K', null, 'act'),
  ('no next action', 'P', 'K', '{}', null)) as c(what, participant, kind, facts, next_action);
select throws_ok($$select evidence.open_case('P', 'lower', null, '{}', 'act')$$, '23514', null, 'INV-EVID-001: a malformed kind is refused');
select is(evidence.open_case('ZM-BANK-A', 'COMPLAINT', '11111111-1111-7111-8111-111111111111', '{"x": 1}', 'call them'), 1, 'INV-EVID-001: a case is opened');
select is(evidence.open_case('ZM-BANK-A', 'COMPLAINT', '11111111-1111-7111-8111-111111111111', '{"x": 2}', 'call them'), 0,
  'INV-EVID-001: at most one case of a kind per instruction');
select is(evidence.open_cases(array[row('ZM-BANK-A', 'COMPLAINT', '11111111-1111-7111-8111-111111111111', '{}', 'x'),
  row('ZM-BANK-A', 'OTHER', '11111111-1111-7111-8111-111111111111', '{}', 'x'), row('ZM-BANK-B', 'COMPLAINT', '11111111-1111-7111-8111-111111111111', '{}', 'x'),
  row('ZM-BANK-B', 'GENERAL', null, '{}', 'x'), row('ZM-BANK-B', 'GENERAL', null, '{}', 'x')]::evidence.new_case[]), 4, 'INV-EVID-001: a batch opens what is new');
select is(c.commitment, core.commitment(array['evidence.cases', c.participant_id, c.case_id::text, c.kind, c.outbox_id::text, core.canonical_json(c.facts),
  c.next_action, core.epoch_us(c.opened_at)]), 'INV-EVID-001: a case''s commitment can be recomputed') from evidence.cases as c limit 1;

-- Decisions
create temp table the_case as select participant_id, case_id from evidence.cases where kind = 'COMPLAINT' and participant_id = 'ZM-BANK-A';
select throws_ok(format('select evidence.decide_case(participant_id, case_id, %L, %L, %L, %L) from the_case', 'EXECUTED', d.maker, d.checker, d.reason), 'SA101', null,
  'INV-CASE-001: refused decision: ' || d.what)
from (values ('one identity', 'a', 'a', 'why'), ('no maker', '', 'b', 'why'), ('no checker', 'a', null, 'why'), ('no reason', 'a', 'b', '')) as d(what, maker, checker, reason);
select throws_ok($$select evidence.decide_case('ZM-BANK-A', uuidv7(), 'EXECUTED', 'a', 'b', 'why')$$, 'SN101', null, 'INV-CASE-001: an unknown case is not decided');
select throws_ok($$select evidence.decide_case('ZM-BANK-B', case_id, 'EXECUTED', 'a', 'b', 'why') from the_case$$, 'SN101', null,
  'INV-CASE-001: nor another participant''s');
select throws_ok($$select evidence.decide_case(participant_id, case_id, 'MAYBE', 'a', 'b', 'why') from the_case$$, '23514', null, 'INV-CASE-001: a decision is a known one');
select lives_ok($$select evidence.decide_case(participant_id, case_id, 'NOT_EXECUTED', 'a', 'b', 'statement seen') from the_case$$, 'INV-CASE-001: two identities decide');
select throws_ok($$select evidence.decide_case(participant_id, case_id, 'EXECUTED', 'b', 'c', 'why') from the_case$$, 'SC101', null, 'INV-CASE-001: once');
select is(d.commitment, core.commitment(array['evidence.case_decisions', d.participant_id, d.case_id::text, d.decision, d.maker, d.checker, d.reason,
  core.epoch_us(d.decided_at)]), 'INV-EVID-001: a decision''s commitment can be recomputed') from evidence.case_decisions as d;

-- A life for the auditor
select is(pg_temp.decided('T-1', '{"amount_minor": 100001}'), 'REJECT LIMIT_TRANSACTION', 'INV-EVID-001: set-up');
select is(pg_temp.decided('T-1'), 'ACCEPT', 'INV-EVID-001: set-up');
select is(pg_temp.decided('T-1'), 'REPLAY', 'INV-EVID-001: set-up');
select is(pg_temp.claimed('w') || ': ' || pg_temp.answered('w', 'T-1', 'SUBMIT', 'HTTP_500'), 'T-1 DISPATCH 1: ENQUIRE RAIL_UNCERTAIN', 'INV-EVID-001: set-up');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.answered('w', 'T-1', 'QUERY', 'NOT_FOUND'), 'T-1 ENQUIRE 1: ENQUIRE RAIL_NOT_FOUND', 'INV-EVID-001: set-up');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.answered('w', 'T-1', 'QUERY', 'BUSY'), 'T-1 ENQUIRE 1: PENDING_MANUAL ENQUIRY_EXHAUSTED', 'INV-EVID-001: set-up');
select evidence.record_event('CALLBACK_RECEIVED', 'rail', '{"code": "LATE"}', 'ZM-BANK-A', pg_temp.id('T-1'));
select evidence.decide_case(c.participant_id, c.case_id, 'EXECUTED', 'a', 'b', 'statement seen') from evidence.case_list as c where c.instruction_id = 'T-1';
set local role symphony_auditor;
select results_eq($$select kind collate "C", state collate "C" from evidence.instruction_timeline where participant_id = 'ZM-BANK-A' and instruction_id = 'T-1' order by happened_at, step_no$$,
  $$values ('ATTESTATION' collate "C", 'REJECT' collate "C"), ('ATTESTATION', 'ACCEPT'), ('INSTRUCTION', 'PENDING'), ('ATTESTATION', 'REPLAY'), ('ATTEMPT', 'DISPATCHING'),
    ('RAIL_MESSAGE', 'ENQUIRE'), ('RAIL_MESSAGE', 'ENQUIRE'), ('RAIL_MESSAGE', 'PENDING_MANUAL'), ('ATTEMPT', 'PENDING_MANUAL'), ('CASE_OPENED', 'OUTCOME_UNCERTAIN'),
    ('CALLBACK_RECEIVED', null), ('CASE_DECIDED', 'EXECUTED')$$, 'INV-EVID-001: the timeline tells the whole life in order');
select lives_ok($$select from evidence.instruction_timeline where kind = 'ATTEMPT' and state = 'DISPATCHING' order by kind, state$$,
  'INV-EVID-001: auditors filter and sort the timeline by kind and state');
select is_empty($$select facts from evidence.instruction_timeline where facts::text like '%account%'$$, 'INV-LEAK-001: the timeline holds nothing of the parties');
select is_empty($$select * from evidence.instruction_timeline where participant_id = 'ZM-BANK-B'$$, 'INV-EVID-001: a participant''s timeline is its own');
select results_eq($$select decision, count(*)::integer from evidence.attestations group by 1 order by 1$$, $$values ('ACCEPT', 1), ('REJECT', 1), ('REPLAY', 1)$$,
  'INV-ATT-001: auditors see every decision');
select results_eq($$select policy_version, status, length(checksum) from evidence.policy_history$$, $$values (1, 'ACTIVE', 64)$$, 'INV-017: auditors see every policy with its checksum');
select results_eq($$select instruction_id, decision, maker, checker from evidence.case_list where kind = 'OUTCOME_UNCERTAIN'$$,
  $$values ('T-1' collate "C", 'EXECUTED' collate "C", 'a', 'b')$$, 'INV-EVID-001: auditors see cases with their decisions');
select is_empty($$select * from evidence.halt_history$$, 'INV-014: no halt yet');
reset role;
select policy.halt('RAIL', 'sandbox', null, 'BOTH', 'operator', 'drill');
set local role symphony_auditor;
select results_eq($$select action, scope, rail, operator, reason from evidence.halt_history$$,
  $$values ('HALT' collate "C", 'RAIL', 'sandbox' collate "C", 'operator', 'drill')$$, 'INV-014: auditors see halts with operator and reason');
reset role;
set local role symphony_operator;
select cmp_ok(count(*), '>=', 5::bigint, 'INV-EVID-001: operators see the cases they decide') from evidence.case_list;
reset role;

select is(evidence.ensure_partitions('evidence_events', '2031-05-01'), 'evidence.evidence_events_203105', 'INV-014: the context makes its leaves');
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values ($$update evidence.evidence_events set actor = 'x'$$), ($$delete from evidence.evidence_events$$), ($$truncate evidence.evidence_events$$),
  ($$update evidence.cases set kind = 'X'$$), ($$delete from evidence.cases$$), ($$truncate evidence.cases cascade$$),
  ($$update evidence.case_decisions set decision = 'EXECUTED'$$), ($$delete from evidence.case_decisions$$), ($$truncate evidence.case_decisions$$)) as s(statement);

select * from finish();
rollback;
