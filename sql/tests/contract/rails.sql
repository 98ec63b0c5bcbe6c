-- rails: what the rails' words mean, and what they said.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

-- Response classes
select is(rails.publish_response_classes(pg_temp.response_classes('sandbox', 1), 'tester'), 0, 'INV-014: publishing the same content again writes nothing');
select is(rails.publish_response_classes(pg_temp.response_classes('new-rail', 1), 'tester'), 6, 'INV-014: a first version is published');
select throws_ok(format('select rails.publish_response_classes(%L, %L)', d.document, d.operator), d.state, null, 'INV-005: refused response classes: ' || d.what)
from (values
  ('a version that skips', pg_temp.response_classes('sandbox', 3), 'op', 'SC601'), ('a first version that is not 1', pg_temp.response_classes('r', 2), 'op', 'SC601'),
  ('the same version with other content', jsonb_set(pg_temp.response_classes('sandbox', 1), '{classes,0,answer_class}', '"REJECTED"'), 'op', 'SC601'),
  ('no version', pg_temp.response_classes('sandbox', 1) - 'version', 'op', 'SC601'), ('no rail', pg_temp.response_classes('sandbox', 1) - 'rail', 'op', 'SV601'),
  ('the rail that stands for all', pg_temp.response_classes('*', 2), 'op', 'SV601'), ('a rail in capitals', pg_temp.response_classes('RAIL', 1), 'op', 'SV601'),
  ('nobody publishing', pg_temp.response_classes('sandbox', 2), '', 'SV601'), ('no owner', pg_temp.response_classes('sandbox', 2) - 'owner', 'op', 'SV601'),
  ('no classes', pg_temp.response_classes('sandbox', 2) || '{"classes": []}', 'op', 'SV601'), ('classes missing', pg_temp.response_classes('sandbox', 2) - 'classes', 'op', 'SV601'),
  ('classes no list', pg_temp.response_classes('sandbox', 2) || '{"classes": 1}', 'op', 'SV601'),
  ('an unknown class', jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,0,answer_class}', '"MAYBE"'), 'op', 'SV601'),
  ('an unknown phase', jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,0,phase}', '"LATER"'), 'op', 'SV601'),
  ('a code twice', jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,1}', pg_temp.response_classes('sandbox', 2) #> '{classes,0}'), 'op', 'SV601'),
  ('an enquiry that was certainly not sent', jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,5,answer_class}', '"NOT_SENT"'), 'op', 'SV601'),
  ('a submission that was not found', jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,0,answer_class}', '"NOT_FOUND"'), 'op', 'SV601'),
  ('a version beyond integer', pg_temp.response_classes('sandbox', 1) || '{"version": 99999999999}', 'op', 'SV601')
) as d(what, document, operator, state);
select is(count(*), 6::bigint, 'INV-005: what was refused left nothing') from rails.response_classes where rail = 'sandbox';
select ok(rails.same_response_classes(pg_temp.response_classes('sandbox', 1)), 'INV-014: same content is recognised');
select ok(not coalesce(rails.same_response_classes(pg_temp.response_classes('sandbox', 2)), false), 'INV-014: an unpublished version is not the same');

-- Answers
select throws_ok($$select * from rails.record_answers('w', '{}')$$, 'SV401', null, 'INV-BATCH-003: an empty batch of answers is refused');
select throws_ok($$select * from rails.record_answers('w', null)$$, 'SV401', null, 'INV-BATCH-003: no answers are refused');
select throws_ok($$select * from rails.record_answers('', array[null]::rails.answer[])$$, 'SV402', null, 'INV-BATCH-003: a worker has a name');
select throws_ok($$select * from rails.record_answers('w', array_fill(null::rails.answer, array[1001]))$$, 'SV401', null, 'INV-BATCH-003: 1001 answers are refused');
select is(pg_temp.decided('R-' || n), 'ACCEPT', 'INV-015: set-up R-' || n) from generate_series(1, 9) as n;
select isnt(pg_temp.claimed('w'), '', 'INV-015: set-up claim');
select is(pg_temp.answered('w', 'R-1', 'SUBMIT', 'ACCEPTED'), 'DISPATCHED', 'INV-015: a mapped code decides');
select is(pg_temp.answered('w', 'R-2', 'SUBMIT', 'REJECTED_AC04'), 'FAILED RAIL_REJECTED', 'INV-015: so does a final no');
select is(pg_temp.answered('w', 'R-3', 'SUBMIT', 'HTTP_500'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-015: an unmapped code is uncertain');
select is(pg_temp.answered('w', 'R-4', 'SUBMIT', 'NOT_FOUND'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-015: a code of another phase is unmapped');
select is(pg_temp.answered('w', 'R-5', 'SUBMIT', 'CONNECT_FAILED'), 'RETRYABLE RAIL_NOT_SENT', 'INV-015: what holds for every rail holds for this one');
select is(pg_temp.answered('w', 'R-6', 'NONE', 'REFUSED_BEFORE_CALL'), 'VOIDED REFUSED_BEFORE_CALL', 'INV-015: refused before the call');
select is(pg_temp.answered('w', 'R-7', 'NONE', 'RELEASED'), 'RELEASED RELEASED', 'INV-015: given back');
select is(pg_temp.answered('w', 'R-8', 'SUBMIT', 'ACCEPTED', '{"echoed_amount_minor": 1}'), 'ENQUIRE RAIL_ECHO_MISMATCH', 'INV-015: another echoed amount is uncertain');
select is(kind, 'RAIL_ECHO_MISMATCH' collate "C", 'INV-015: and a case at once') from evidence.cases where outbox_id = pg_temp.id('R-8');
select results_eq($$select rail_code, rail_reference, latency_us from outbox.payment_outbox_attempts where outbox_id = pg_temp.id('R-1') and state = 'DISPATCHED'$$,
  $$values ('ACCEPTED' collate "C", 'R-R-1' collate "C", 1500::bigint)$$, 'INV-EVID-001: the exchange that ended it stands on its outcome row');
select results_eq($$select rail_code, answer_class::text, outcome from rails.rail_messages order by message_id$$,
  $$values ('HTTP_500' collate "C", 'UNCERTAIN', 'ENQUIRE' collate "C"), ('NOT_FOUND', 'UNCERTAIN', 'ENQUIRE'), ('ACCEPTED', 'ACCEPTED', 'ENQUIRE')$$,
  'INV-EVID-001: every exchange that ended nothing is a rail message');
select is(m.commitment, core.commitment(array['rails.rail_messages', m.participant_id, m.message_id::text, m.outbox_id::text, m.rail, m.phase::text, m.rail_code,
  m.rail_reference, m.answer_class::text, m.outcome, m.claimed_by, m.lease_token::text, m.echoed_amount_minor::text, m.echoed_currency, encode(m.request_sha256, 'hex'), encode(m.response_sha256, 'hex'),
  core.epoch_us(m.recorded_at)]), 'INV-EVID-001: its commitment can be recomputed from the row') from rails.rail_messages as m limit 1;

-- Batches: fences per item
create temp table held as select pg_temp.answer('R-9', 'SUBMIT', 'ACCEPTED') as answer;
create function pg_temp.stale(p_answer rails.answer) returns rails.answer language sql return
  jsonb_populate_record(p_answer, '{"lease_token": "11111111-1111-4111-8111-111111111111", "rail_reference": "STALE"}');
select results_eq($$select outcome, reason_code from held, rails.record_answers('other', array[answer]) as o$$, $$values ('LEASE_LOST', 'LEASE_LOST')$$,
  'INV-013: another worker''s answer is told the lease is lost');
select results_eq($$select outcome, reason_code from held, rails.record_answers('w', array[pg_temp.stale(answer)]) as o$$, $$values ('LEASE_LOST', 'LEASE_LOST')$$,
  'INV-013: so is an answer under another token');
select results_eq($$select outcome, claimed_by from rails.rail_messages where outbox_id = pg_temp.id('R-9') order by message_id$$,
  $$values ('LEASE_LOST' collate "C", 'other'), ('LEASE_LOST', 'w')$$, 'INV-EVID-001: both are kept as evidence');
savepoint same_item_twice;
select results_eq($$select outcome from held, rails.record_answers('w', array[pg_temp.stale(answer), answer]) as o$$, $$values ('LEASE_LOST'), ('DISPATCHED')$$,
  'INV-013: an answer under an old token does not hide the one under the living lease');
rollback to savepoint same_item_twice;
select results_eq($$select outcome from held, rails.record_answers('w', array[answer, pg_temp.stale(answer)]) as o$$, $$values ('DISPATCHED'), ('LEASE_LOST')$$,
  'INV-013: nor is it told the outcome of the living one');
select is(pg_temp.state('R-9'), 'DISPATCHED', 'INV-OUTBOX-02: and the outcome is the living lease''s');
select results_eq($$select outcome from held, rails.record_answers('w', array[answer]) as o$$, $$values ('LEASE_LOST')$$, 'INV-OUTBOX-02: a repeated answer ends nothing');

-- One bad answer among good ones
select is(pg_temp.decided('P-' || n), 'ACCEPT', 'INV-BATCH-003: set-up P-' || n) from generate_series(1, 2) as n;
select matches(pg_temp.claimed('w2'), 'P-1 DISPATCH 1, P-2 DISPATCH 1', 'INV-BATCH-003: set-up claim');
create temp table outcomes (outcome text);
select lives_ok($$insert into outcomes select o.outcome from rails.record_answers('w2', array[pg_temp.answer('P-1', 'SUBMIT', 'ACCEPTED'),
  pg_temp.answer('P-2', 'SUBMIT', 'ACCEPTED', jsonb_build_object('rail_reference', ''))]) as o$$, 'INV-BATCH-003: an acceptance without reference does not fail its batch mates');
select set_eq($$select outcome from outcomes$$, array['DISPATCHED', 'ENQUIRE'], 'INV-BATCH-003: each answer has its own outcome');

-- The newest version decides
select rails.publish_response_classes(jsonb_set(pg_temp.response_classes('sandbox', 2), '{classes,1,answer_class}', '"UNCERTAIN"'), 'tester');
select is(pg_temp.decided('V-1'), 'ACCEPT', 'INV-014: set-up');
select matches(pg_temp.claimed('w3'), 'V-1 DISPATCH 1', 'INV-014: set-up');
select is(pg_temp.answered('w3', 'V-1', 'SUBMIT', 'REJECTED_AC04'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-014: the newest version of the classes decides');

-- A worker cannot choose whose words it speaks
select rails.publish_response_classes(jsonb_set(pg_temp.response_classes('backup', 2), '{classes,1,rail_code}', '"ODD"'), 'tester');
select is(pg_temp.decided('V-2'), 'ACCEPT', 'INV-014: set-up');
select matches(pg_temp.claimed('w4'), 'V-2 DISPATCH 1', 'INV-014: set-up');
select is(pg_temp.answered('w4', 'V-2', 'SUBMIT', 'ODD', '{"rail": "backup"}'), 'LEASE_LOST LEASE_LOST', 'INV-015: an answer in another rail''s words ends nothing');
select is(pg_temp.state('V-2'), 'DISPATCHING', 'INV-015: and the lease stands');
select is(pg_temp.answered('w4', 'V-2', 'SUBMIT', 'ODD'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-015: under its own rail the code is unmapped');

select lives_ok($$select rails.record_messages('w', '{}', '{}', '{}')$$, 'INV-EVID-001: no exchange, no message');
select is(rails.ensure_partitions('rail_messages', '2031-05-01'), 'rails.rail_messages_203105', 'INV-014: the context makes its leaves');
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values ($$update rails.response_classes set answer_class = 'ACCEPTED'$$), ($$delete from rails.response_classes$$), ($$truncate rails.response_classes$$),
  ($$update rails.rail_messages set rail_code = 'x'$$), ($$delete from rails.rail_messages$$), ($$truncate rails.rail_messages$$)) as s(statement);

select * from finish();
rollback;
