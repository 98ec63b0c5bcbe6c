-- outbox: recording, claiming, leases, outcomes, repair, status.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

-- Recording one under an attestation that exists
select pg_temp.decided('E-0');
select pg_temp.decided('E-rejected', '{"amount_minor": 100001}');
create function pg_temp.enqueued(p_instruction_id text, p_attestation_id uuid, p_amount bigint default 5, p_participant_id text default 'ZM-BANK-A')
returns text language sql begin atomic
  select concat_ws(' ', e.decision, e.reason_code, e.sequence_id) from outbox.enqueue_payment_outbox(p_participant_id => p_participant_id,
    p_attestation_id => p_attestation_id, p_instruction_id => p_instruction_id, p_idempotency_key => p_instruction_id, p_rail => 'sandbox',
    p_currency => 'ZMW', p_amount_minor => p_amount, p_parties => '{}', p_received_at => '2026-11-21 12:00:00+00') as e;
end;
create temp table attested as select attestation_id as good, (
  select attestation_id from ingress.ingress_attestations where decision = 'REJECT') as bad from ingress.ingress_attestations where decision = 'ACCEPT';
-- An ACCEPT attestation of an instruction that is not recorded yet, as a service makes it that attests itself.
create function pg_temp.attested(p_instruction_id text) returns ingress.ingress_attestations language plpgsql as $$
declare
  v_item ingress.item := pg_temp.item(p_instruction_id);
  v_attestation ingress.ingress_attestations;
begin
  perform ingress.attest(p_items => array[v_item], p_intents => array(select i.intent from ingress.list_intents(p_items => array[v_item]) as i),
    p_reasons => array[null]::text[], p_recorded => array[null]::outbox.recorded[], p_policy_version => a.policy_version,
    p_checksum => a.checksum, p_item_nos => null) from policy.get_active() as a;
  select a.* into strict v_attestation from ingress.ingress_attestations as a where a.instruction_id = p_instruction_id;
  return v_attestation;
end
$$;
select throws_ok($$select pg_temp.enqueued('E-1', uuidv7())$$, 'SN402', null, 'INV-ATT-002: nothing is enqueued without an attestation');
select throws_ok($$select pg_temp.enqueued('E-1', good, 5, 'ZM-BANK-B') from attested$$, 'SN402', null,
  'INV-ATT-002: another participant''s attestation does not count');
select throws_ok($$select pg_temp.enqueued('E-rejected', bad) from attested$$, 'SN402', null, 'INV-ATT-002: a REJECT attestation does not count');
select throws_ok($$select pg_temp.enqueued('E-1', good) from attested$$, 'SN402', null,
  'INV-ATT-002: an attestation of another instruction does not count');
select is(pg_temp.enqueued('E-0', good), 'REJECT IDEMPOTENCY_CONFLICT 1', 'INV-011: other content under the same id is a conflict') from attested;
create temp table own as select a.* from pg_temp.attested('E-2') as a;
select is(pg_temp.enqueued('E-2', attestation_id, 100001), 'REJECT LIMIT_TRANSACTION', 'INV-005: policy decides here too') from own;
select throws_ok($$select pg_temp.enqueued('E-2', attestation_id, -5) from own$$, '23514', null, 'INV-005: an amount is positive');
select is(count(*), 1::bigint, 'INV-ATT-002: what was refused recorded no instruction') from outbox.payment_instructions;
savepoint enqueue_one;
create temp table made as select a.* from pg_temp.attested('E-3') as a;
select is(pg_temp.enqueued('E-3', attestation_id), 'ACCEPT 2', 'INV-011: under its own attestation an instruction is enqueued') from made;
select is(pg_temp.enqueued('E-3', attestation_id), 'REPLAY 2', 'INV-011: and enqueued once') from made;
select results_eq($$select outbox_id, attestation_id from outbox.payment_instructions where instruction_id = 'E-3'$$,
  $$select outbox_id, attestation_id from made$$, 'INV-ATT-002: under the outbox id that was attested');
rollback to savepoint enqueue_one;

-- Sequences
select is(outbox.bump_participant_outbox_seq(array['ZM-BANK-A'], array[3]), array[last_sequence_id + 1], 'INV-011: a run of numbers begins after the last')
from outbox.participant_outbox_sequences where participant_id = 'ZM-BANK-A';
select throws_ok($$select outbox.bump_participant_outbox_seq(array['NOBODY'], array[1])$$, 'SX401', null, 'INV-011: no numbers for a participant without a row');
select lives_ok($$select outbox.lock_participants(array['ZM-BANK-A', 'ZM-BANK-B'])$$, 'INV-011: locking a participant gives it its row');
select is(outbox.bump_participant_outbox_seq(array['ZM-BANK-A', 'ZM-BANK-B'], array[1, 2]), array[5, 1]::bigint[], 'INV-011: several participants at once');
select throws_ok(s.statement, s.state, null, 'INV-011: refused: ' || s.statement)
from (values ($$update outbox.participant_outbox_sequences set last_sequence_id = last_sequence_id - 1$$, 'SX401'),
  ($$update outbox.participant_outbox_sequences set participant_id = participant_id || 'X'$$, 'SX401'),
  ($$delete from outbox.participant_outbox_sequences$$, 'SX401'), ($$truncate outbox.participant_outbox_sequences$$, 'SX001')) as s(statement, state);

-- Calls within bounds
select throws_ok(format('select * from outbox.claim_outbox_batch(%L, %L, %L, %L)', c.worker, c.items, 'sandbox', c.lease), c.state, null,
  format('INV-BATCH-002: refused claim: worker %L, %s items, lease %s', left(c.worker, 5), coalesce(c.items::text, 'null'), c.lease))
from (values ('w', 0, '30 s', 'SV401'), ('w', -1, '30 s', 'SV401'), ('w', 1001, '30 s', 'SV401'), ('w', null, '30 s', 'SV401'),
  ('', 1, '30 s', 'SV402'), (null, 1, '30 s', 'SV402'), (repeat('w', 65), 1, '30 s', 'SV402'), ('w', 1, '999 ms', 'SV403'),
  ('w', 1, '10 min 1 ms', 'SV403')) as c(worker, items, lease, state);
select throws_ok($$select * from outbox.claim_outbox_batch('w', 1, 'nowhere', '30 s')$$, 'SN401', null, 'INV-BATCH-002: a rail outside the policy is refused');
select throws_ok($$select * from outbox.complete_outbox_attempts('w', '{}')$$, 'SV401', null, 'INV-BATCH-003: an empty completion is refused');
select throws_ok($$select * from outbox.complete_outbox_attempts('w', null)$$, 'SV401', null, 'INV-BATCH-003: no completion is refused');
select throws_ok($$select * from outbox.complete_outbox_attempts('', array[null]::outbox.result[])$$, 'SV402', null, 'INV-BATCH-003: a worker has a name');
select throws_ok($$select * from outbox.complete_outbox_attempts('w', array_fill(null::outbox.result, array[1001]))$$, 'SV401', null,
  'INV-BATCH-003: 1001 results are refused');
select throws_ok($$select * from outbox.extend_leases('w', '{}', '30 s')$$, 'SV401', null, 'INV-013: an empty extension is refused');
select throws_ok($$select * from outbox.extend_leases('w', array[null]::outbox.lease[], '1 h')$$, 'SV403', null, 'INV-013: a lease is bounded');
select throws_ok($$select * from outbox.repair_expired_leases(0)$$, 'SV401', null, 'INV-013: repair is bounded');
select lives_ok($$select outbox.check_worker_call('w', 1)$$, 'INV-BATCH-002: a call within bounds passes');

-- Claiming
select is(pg_temp.decided('C-' || n), 'ACCEPT', 'INV-012: set-up C-' || n) from generate_series(1, 4) as n;
create temp table claim as select c.* from outbox.claim_outbox_batch(p_worker => 'w', p_limit => 1, p_rail => 'sandbox', p_lease => '30 s') as c;
select results_eq($$select c.instruction_id, c.action::text, c.attempt_no::integer, c.amount_minor, c.currency, c.creditor_participant_id, c.parties::jsonb from claim as c$$,
  $$values ('E-0', 'DISPATCH', 1, 1000::bigint, 'ZMW', 'ZM-BANK-B', '{"creditor":{"account":"1"},"debtor":{"account":"2"}}'::jsonb)$$,
  'INV-012: the oldest due item comes first, with everything the rail needs');
select is(c.lease_expires_at - c.claimed_at, interval '30 seconds', 'INV-013: the lease lasts as asked') from claim as c;
select results_eq($$select f.claimed_by, f.lease_token, f.lease_expires_at, f.entry_no::integer from outbox.payment_outbox_in_flight as f$$,
  $$select 'w', c.lease_token, c.lease_expires_at, 1 from claim as c$$, 'INV-013: the lease is written');
select results_eq($$select a.state::text, a.attempt_no::integer, a.entry_no::integer, a.claimed_by, a.lease_token from outbox.payment_outbox_attempts as a$$,
  $$select 'DISPATCHING', 1, 1, 'w', c.lease_token from claim as c$$, 'INV-014: the DISPATCHING row is written in the same statement');
select is(a.commitment, core.commitment(array['outbox.payment_outbox_attempts', a.participant_id, a.outbox_id::text, a.entry_no::text, a.attempt_no::text,
  a.state::text, a.action::text, a.reason_code, a.claimed_by, a.lease_token::text, a.rail, a.rail_code, a.rail_reference,
  a.echoed_amount_minor::text, a.echoed_currency, encode(a.request_sha256, 'hex'), encode(a.response_sha256, 'hex'), core.epoch_us(a.recorded_at)]),
  'INV-EVID-001: its commitment can be recomputed from the row') from outbox.payment_outbox_attempts as a;
select is(count(*), 0::bigint, 'INV-012: what is claimed is not in the queue') from outbox.payment_outbox_pending where outbox_id = pg_temp.id('E-0');
select is(pg_temp.state('E-0'), 'DISPATCHING', 'INV-012: its state says so');
select is(pg_temp.claimed('w', p_limit => 2), 'C-1 DISPATCH 1, C-2 DISPATCH 1', 'INV-BATCH-002: never more than the limit, oldest first');
update outbox.payment_outbox_pending set due_at = clock_timestamp() + interval '1 hour' where outbox_id = pg_temp.id('C-3');
select is(pg_temp.claimed('w'), 'C-4 DISPATCH 1', 'INV-012: what is not due stays');
select is(pg_temp.claimed('w', 'backup'), '', 'INV-012: a claim takes its own rail''s items only');
select pg_temp.make_due();

-- Caps, also when there is no room at all
select pg_temp.activate(pg_temp.policy_document(2, '{"caps": {"in_flight_global": 4}}'));
select lives_ok($$select pg_temp.claimed('w')$$, 'INV-BATCH-002: a claim under a full global cap raises nothing');
select is(count(*), 4::bigint, 'INV-BATCH-002: and takes nothing') from outbox.payment_outbox_in_flight;
select is((outbox.open_claim_gate('sandbox', 10)).free, 0, 'INV-BATCH-002: there is no room');
select pg_temp.activate(pg_temp.policy_document(3));
select is((outbox.open_claim_gate('sandbox', 10)).free, 10, 'INV-BATCH-002: there is room');
savepoint with_gate;
delete from outbox.claim_gate where rail = '*';
select throws_ok($$select pg_temp.claimed('w')$$, 'SX402', null, 'INV-BATCH-002: without its gate a claim takes nothing');
rollback to savepoint with_gate;
select is(pg_temp.claimed('w'), 'C-3 DISPATCH 1', 'INV-BATCH-002: what waited is claimed when there is room');

-- Fencing
create function pg_temp.completed(p_worker text, p_instruction_id text, p_class outbox.answer_class, p_changes jsonb default '{}') returns text language sql begin atomic
  select concat_ws(' ', o.outcome, o.reason_code) from outbox.payment_outbox_in_flight as f, outbox.complete_outbox_attempts(p_worker => p_worker,
    p_results => array[jsonb_populate_record(null::outbox.result, jsonb_build_object('participant_id', f.participant_id, 'outbox_id', f.outbox_id,
      'lease_token', f.lease_token, 'rail', f.rail, 'answer_class', p_class, 'rail_code', 'CODE', 'rail_reference', 'R-1', 'echoed_amount_minor', f.amount_minor,
      'echoed_currency', f.currency) || p_changes)]) as o
  where f.outbox_id = pg_temp.id(p_instruction_id);
end;
create temp table story as select count(*) as attempts from outbox.payment_outbox_attempts;
select is(pg_temp.completed('other', 'C-1', 'ACCEPTED'), null, 'INV-013: another worker completes nothing');
select is(pg_temp.completed('w', 'C-1', 'ACCEPTED', '{"lease_token": "11111111-1111-4111-8111-111111111111"}'), null, 'INV-013: another token completes nothing');
select is(pg_temp.completed('w', 'C-1', 'ACCEPTED', '{"participant_id": "ZM-BANK-B"}'), null, 'INV-013: another participant completes nothing');
select is(pg_temp.completed('w', 'C-1', 'ACCEPTED', '{"rail": "backup"}'), null, 'INV-013: another rail''s answer completes nothing');
savepoint before_expiry;
select pg_temp.expire_leases();
select is(pg_temp.completed('w', 'C-1', 'ACCEPTED'), null, 'INV-013: an expired lease completes nothing');
select is_empty($$select * from outbox.extend_leases('w', array(select row(f.participant_id, f.outbox_id, f.lease_token)::outbox.lease
  from outbox.payment_outbox_in_flight as f), '30 s')$$, 'INV-013: an expired lease is not extended');
rollback to savepoint before_expiry;
select is(count(*), attempts, 'INV-013: a stale worker writes nothing') from outbox.payment_outbox_attempts, story group by attempts;
select is_empty($$select * from outbox.extend_leases('other', array(select row(f.participant_id, f.outbox_id, f.lease_token)::outbox.lease
  from outbox.payment_outbox_in_flight as f), '30 s')$$, 'INV-013: another worker extends nothing');
select is(count(*), 5::bigint, 'INV-013: the holder extends its leases') from outbox.extend_leases('w',
  array(select row(f.participant_id, f.outbox_id, f.lease_token)::outbox.lease from outbox.payment_outbox_in_flight as f), '10 minutes');
select cmp_ok(min(lease_expires_at), '>', clock_timestamp() + interval '9 minutes', 'INV-013: to the asked end') from outbox.payment_outbox_in_flight;
select outbox.extend_leases('w', array(select row(f.participant_id, f.outbox_id, f.lease_token)::outbox.lease from outbox.payment_outbox_in_flight as f), '1 s');
select cmp_ok(min(lease_expires_at), '>', clock_timestamp() + interval '9 minutes', 'INV-013: an extension never shortens') from outbox.payment_outbox_in_flight;
select is(count(*), 0::bigint, 'INV-013: a living lease is not repaired') from outbox.repair_expired_leases(100);

-- Outcomes
select is(pg_temp.completed('w', 'C-1', 'ACCEPTED'), 'DISPATCHED', 'INV-OUTBOX-02: accepted with a reference is DISPATCHED');
select is(pg_temp.state('C-1'), 'DISPATCHED', 'INV-OUTBOX-02: the status says so');
select is(pg_temp.completed('w', 'C-1', 'REJECTED'), null, 'INV-OUTBOX-02: nothing more can be completed');
select is(value_minor, 5000::bigint, 'INV-005: a dispatched instruction keeps its usage') from policy.limit_usage;
select is(pg_temp.completed('w', 'C-2', 'REJECTED'), 'FAILED RAIL_REJECTED', 'INV-OUTBOX-02: a final no is FAILED');
select is(pg_temp.completed('w', 'C-3', 'REFUSED_BEFORE_CALL'), 'VOIDED REFUSED_BEFORE_CALL', 'INV-OUTBOX-02: refused before the call is VOIDED');
select is(value_minor || ' ' || item_count, '3000 3', 'INV-005: FAILED and VOIDED give the usage back') from policy.limit_usage;
select throws_ok($$insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action, reason_code, claimed_by, lease_token,
    rail, rail_reference, recorded_at, commitment)
  select 'ZM-BANK-A', pg_temp.id('C-1'), 9, 1, $$ || quote_literal(t.state) || $$, 'DISPATCH', 'RAIL_REJECTED', 'w', uuidv7(), 'sandbox', 'R', now(), sha256('')$$,
  '23505', null, 'INV-OUTBOX-02: a second terminal row is refused: ' || t.state)
from (values ('DISPATCHED'), ('FAILED'), ('VOIDED'), ('PENDING_MANUAL')) as t(state);
select is(pg_temp.completed('w', 'C-4', 'RELEASED'), 'RELEASED RELEASED', 'INV-015: a released item is given back');
select is(pg_temp.state('C-4'), 'RETRYABLE RELEASED', 'INV-015: and waits');
select is(pg_temp.claimed('w'), 'C-4 DISPATCH 2', 'INV-015: and is claimed again at once');
select is(pg_temp.completed('w', 'C-4', 'NOT_SENT'), 'RETRYABLE RAIL_NOT_SENT', 'INV-015: certainly not sent is RETRYABLE');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.completed('w', 'C-4', 'NOT_SENT'), 'C-4 DISPATCH 3: RETRYABLE RAIL_NOT_SENT', 'INV-015: the second retry is the last');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.completed('w', 'C-4', 'NOT_SENT'), 'C-4 DISPATCH 4: FAILED RETRY_CEILING', 'INV-015: the ceiling ends it as FAILED');
select is(pg_temp.completed('w', 'E-0', 'UNCERTAIN'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-015: uncertain is neither success nor failure');
select is(pg_temp.state('E-0'), 'UNCERTAIN', 'INV-015: it is asked about');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.completed('w', 'E-0', 'NOT_FOUND'), 'E-0 ENQUIRE 1: ENQUIRE RAIL_NOT_FOUND', 'INV-015: not found before the settle time is uncertain');
select pg_temp.make_due();
select is(pg_temp.claimed('w') || ': ' || pg_temp.completed('w', 'E-0', 'UNCERTAIN'), 'E-0 ENQUIRE 1: PENDING_MANUAL ENQUIRY_EXHAUSTED', 'INV-015: the ladder ends with a person');
select results_eq($$select kind, facts ->> 'outcome' from evidence.cases where outbox_id = pg_temp.id('E-0')$$,
  $$values ('OUTCOME_UNCERTAIN' collate "C", 'PENDING_MANUAL')$$, 'INV-OUTBOX-02: PENDING_MANUAL has its case');
select results_eq($$select state::text from outbox.payment_outbox_attempts where outbox_id = pg_temp.id('E-0') order by entry_no$$,
  array['DISPATCHING', 'PENDING_MANUAL'], 'INV-014: enquiries that ended nothing write no attempt');
select is(count(*), 0::bigint, 'INV-OUTBOX-02: what has a terminal is neither queued nor leased')
from (select outbox_id from outbox.payment_outbox_pending union all select outbox_id from outbox.payment_outbox_in_flight) as q
join outbox.payment_outbox_attempts as a using (outbox_id) where a.state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');

-- Repair
select is(pg_temp.decided('Z-1'), 'ACCEPT', 'INV-013: set-up');
select is(pg_temp.claimed('w'), 'Z-1 DISPATCH 1', 'INV-013: set-up');
select pg_temp.expire_leases();
select results_eq($$select outbox_id, outcome from outbox.repair_expired_leases(100)$$, $$select pg_temp.id('Z-1'), 'ZOMBIE_REQUEUE'$$, 'INV-013: an expired lease is taken back');
select is(count(*), 0::bigint, 'INV-013: once') from outbox.repair_expired_leases(100);
select is(pg_temp.state('Z-1'), 'UNCERTAIN LEASE_EXPIRED', 'INV-013: never straight to dispatch');
select is(pg_temp.claimed('w2'), 'Z-1 ENQUIRE 1', 'INV-013: the enquiry is due at once');
select is(pg_temp.completed('w2', 'Z-1', 'REFUSED_BEFORE_CALL'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-013: an enquiry cannot void what may have been sent');
select pg_temp.make_due();
update outbox.payment_outbox_pending set last_sent_at = last_sent_at - interval '1 hour';
select is(pg_temp.claimed('w2') || ': ' || pg_temp.completed('w2', 'Z-1', 'NOT_FOUND'), 'Z-1 ENQUIRE 1: RETRYABLE RAIL_SETTLED_NOT_FOUND',
  'INV-015: not found after the settle time is certainly not executed');
select pg_temp.make_due();
select is(pg_temp.claimed('w2'), 'Z-1 DISPATCH 2', 'INV-015: and sent again');
-- A worker that dies at every enquiry must not go round for ever.
create function pg_temp.die_at_enquiries(p_times integer) returns text language plpgsql as $$
begin
  for n in 1..p_times loop
    perform pg_temp.expire_leases();
    perform outbox.repair_expired_leases(100);
    perform pg_temp.make_due();
    perform pg_temp.claimed('w' || n);
  end loop;
  return pg_temp.state('Z-1');
end
$$;
select is(pg_temp.die_at_enquiries(12), 'PENDING_MANUAL ENQUIRY_EXHAUSTED', 'INV-015: leases lost at every enquiry end with a person too');

select is(kind, 'OUTCOME_UNCERTAIN' collate "C", 'INV-015: and with a case') from evidence.cases where outbox_id = pg_temp.id('Z-1');

-- Without a lease time the rail's own holds
select is(pg_temp.decided('L-1'), 'ACCEPT', 'INV-013: set-up');
select is(lease_expires_at - claimed_at, interval '30 seconds', 'INV-013: the policy''s lease of the rail holds when none is asked for')
from outbox.claim_outbox_batch(p_worker => 'w', p_limit => 1, p_rail => 'sandbox');

-- Erasure and late answers
select throws_ok($$select outbox.erase_parties('ZM-BANK-A', 'never', 'op', 'REQUEST')$$, 'SN403', null, 'INV-LEAK-001: an unknown instruction has nothing to erase');
select throws_ok($$select outbox.erase_parties('ZM-BANK-A', 'L-1', 'op', 'REQUEST')$$, 'SC401', null, 'INV-LEAK-001: parties stay while they are needed');
select throws_ok($$select outbox.erase_parties('ZM-BANK-A', 'E-0', 'op', 'REQUEST')$$, 'SC401', null, 'INV-LEAK-001: parties stay while a case is open');
select throws_ok(format('select outbox.erase_parties(%L, %L, %L, %L)', 'ZM-BANK-A', 'C-1', e.operator, e.reason_code), 'SV404', null,
  format('INV-LEAK-001: refused erasure: operator %L, reason code %L', e.operator, left(e.reason_code, 20)))
from (values ('', 'REQUEST'), (null, 'REQUEST'), ('op', ''), ('op', null), ('op', 'Mrs Banda asked'), ('op', repeat('X', 65))) as e(operator, reason_code);
select ok(outbox.erase_parties('ZM-BANK-A', 'C-1', 'op', 'REQUEST'), 'INV-LEAK-001: the parties of an ended instruction are erased');
select ok(not outbox.erase_parties('ZM-BANK-A', 'C-1', 'op', 'REQUEST'), 'INV-LEAK-001: once');
select results_eq($$select salt, parties, erased_at is not null from outbox.instruction_parties where outbox_id = pg_temp.id('C-1')$$,
  $$values (null::bytea, null::text, true)$$, 'INV-LEAK-001: salt and parties are gone');
select is(facts, '{"reason_code": "REQUEST"}'::jsonb, 'INV-EVID-001: erasure is an event') from evidence.evidence_events where kind = 'PARTIES_ERASED';
create function pg_temp.late(p_instruction_id text, p_class outbox.answer_class, p_reference text) returns integer language sql begin atomic
  select outbox.report_late_answers(array[jsonb_populate_record(null::outbox.result, jsonb_build_object('participant_id', 'ZM-BANK-A',
    'outbox_id', pg_temp.id(p_instruction_id), 'answer_class', p_class, 'rail_reference', p_reference))]);
end;
select is(pg_temp.late('C-1', 'ACCEPTED', 'R-1'), 0, 'INV-OUTBOX-02: the same answer again contradicts nothing');
select is(pg_temp.late('C-1', 'REJECTED', null), 1, 'INV-OUTBOX-02: a late no to what was dispatched opens a case');
select is(pg_temp.late('C-1', 'ACCEPTED', 'R-OTHER'), 0, 'INV-OUTBOX-02: one case of the kind per instruction');
select is(pg_temp.late('C-2', 'ACCEPTED', 'R-1'), 1, 'INV-OUTBOX-02: a late yes to what failed opens a case');
select is(pg_temp.late('C-3', 'NOT_FOUND', null), 0, 'INV-OUTBOX-02: a late uncertainty does not');
select is(pg_temp.state('C-1') || ', ' || pg_temp.state('C-2'), 'DISPATCHED, FAILED RAIL_REJECTED', 'INV-OUTBOX-02: the outcomes stay');

-- A late ACCEPTED forbids a second send
select is(pg_temp.decided('A-1') || pg_temp.decided('A-2'), 'ACCEPTACCEPT', 'INV-OUTBOX-02: set-up');
select matches(pg_temp.claimed('w', p_limit => 2), '^A-1 DISPATCH 1', 'INV-OUTBOX-02: set-up');
select is(pg_temp.completed('w', 'A-1', 'NOT_SENT'), 'RETRYABLE RAIL_NOT_SENT', 'INV-OUTBOX-02: set-up');
select is(pg_temp.late('A-1', 'ACCEPTED', 'R-1') + pg_temp.late('A-2', 'ACCEPTED', 'R-2'), 0, 'INV-OUTBOX-02: a late yes to what has not ended opens no case');
select results_eq($$select next_action::text, acceptance_seen from outbox.payment_outbox_pending where outbox_id = pg_temp.id('A-1')$$,
  $$values ('ENQUIRE', true)$$, 'INV-OUTBOX-02: but what waits to be sent again is enquired about instead');
select is(acceptance_seen, true, 'INV-OUTBOX-02: and a lease remembers it') from outbox.payment_outbox_in_flight where outbox_id = pg_temp.id('A-2');
select is(pg_temp.completed('w', 'A-2', 'NOT_SENT'), 'ENQUIRE RAIL_UNCERTAIN', 'INV-OUTBOX-02: «not sent» does not outweigh an ACCEPTED');
select throws_ok($$update outbox.payment_outbox_pending set next_action = 'DISPATCH' where outbox_id = pg_temp.id('A-1')$$, '23514', null,
  'INV-OUTBOX-02: nor does the queue hold it for dispatch');

-- A key of a replay is used up
select is(pg_temp.decided('L-1', '{"idempotency_key": "L-1b"}'), 'REPLAY', 'INV-011: the same content under another key is a replay');
select is(pg_temp.decided('L-2', '{"idempotency_key": "L-1b"}'), 'REJECT IDEMPOTENCY_CONFLICT', 'INV-011: and that key is used up');
select is(pg_temp.decided('L-1', '{"idempotency_key": "L-1b"}'), 'REPLAY', 'INV-011: by the content it was used with');
select is(count(*), 1::bigint, 'INV-011: it is kept once') from outbox.idempotency_key_aliases;

-- The rules of judgement
create function pg_temp.judged(p_action text, p_class text, p_changes jsonb default '{}') returns text language sql begin atomic
  select concat_ws(' ', j.state, j.reason_code, '-> ' || j.requeue)
  from jsonb_to_record('{"reference": "R", "echo": 5, "currency": "ZMW", "since": "1 hour", "seen": false, "retries": 0, "enquiries": 0, "settle": 1000, "ceiling": 2,
    "ladder": [1, 1]}'::jsonb || p_changes) as c(reference text, echo bigint, currency text, since interval, seen boolean, retries integer, enquiries integer,
    settle integer, ceiling smallint, ladder integer[]),
    outbox.judge(p_action::outbox.next_action, p_class::outbox.answer_class, c.reference, c.echo, c.currency, 5, 'ZMW', c.since, c.seen, c.retries,
    c.enquiries, c.settle, c.ceiling, c.ladder) as j;
end;
select is(pg_temp.judged(c.action, c.class, c.changes::jsonb), c.expected, format('INV-015: %s answered %s %s', c.action, c.class, c.changes))
from (values
  ('DISPATCH', 'ACCEPTED', '{}', 'DISPATCHED'), ('ENQUIRE', 'ACCEPTED', '{}', 'DISPATCHED'),
  ('DISPATCH', 'ACCEPTED', '{"reference": null}', 'RAIL_REFERENCE_MISSING -> ENQUIRE'), ('DISPATCH', 'ACCEPTED', '{"reference": ""}', 'RAIL_REFERENCE_MISSING -> ENQUIRE'),
  ('DISPATCH', 'ACCEPTED', '{"echo": 6}', 'RAIL_ECHO_MISMATCH -> ENQUIRE'), ('DISPATCH', 'ACCEPTED', '{"echo": null}', 'RAIL_ECHO_MISMATCH -> ENQUIRE'),
  ('DISPATCH', 'ACCEPTED', '{"currency": "USD"}', 'RAIL_ECHO_MISMATCH -> ENQUIRE'), ('ENQUIRE', 'ACCEPTED', '{"currency": null, "enquiries": 2}', 'PENDING_MANUAL RAIL_ECHO_MISMATCH'),
  ('DISPATCH', 'REJECTED', '{}', 'FAILED RAIL_REJECTED'), ('ENQUIRE', 'REJECTED', '{}', 'FAILED RAIL_REJECTED'),
  ('DISPATCH', 'NOT_SENT', '{}', 'RETRYABLE RAIL_NOT_SENT -> DISPATCH'), ('DISPATCH', 'NOT_SENT', '{"retries": 2}', 'FAILED RETRY_CEILING'),
  ('DISPATCH', 'NOT_SENT', '{"ceiling": null}', 'FAILED RETRY_CEILING'), ('ENQUIRE', 'NOT_SENT', '{}', 'RAIL_UNCERTAIN -> ENQUIRE'),
  ('DISPATCH', 'UNCERTAIN', '{}', 'RAIL_UNCERTAIN -> ENQUIRE'), ('ENQUIRE', 'UNCERTAIN', '{"enquiries": 2}', 'PENDING_MANUAL ENQUIRY_EXHAUSTED'),
  ('ENQUIRE', 'UNCERTAIN', '{"ladder": null}', 'PENDING_MANUAL ENQUIRY_EXHAUSTED'), ('ENQUIRE', 'NOT_FOUND', '{}', 'RETRYABLE RAIL_SETTLED_NOT_FOUND -> DISPATCH'),
  ('ENQUIRE', 'NOT_FOUND', '{"since": "999 ms"}', 'RAIL_NOT_FOUND -> ENQUIRE'), ('ENQUIRE', 'NOT_FOUND', '{"since": null}', 'RAIL_NOT_FOUND -> ENQUIRE'),
  ('ENQUIRE', 'NOT_FOUND', '{"settle": null}', 'RAIL_NOT_FOUND -> ENQUIRE'), ('ENQUIRE', 'NOT_FOUND', '{"retries": 2}', 'FAILED RETRY_CEILING'),
  ('DISPATCH', 'NOT_FOUND', '{}', 'RAIL_NOT_FOUND -> ENQUIRE'), ('DISPATCH', 'REFUSED_BEFORE_CALL', '{}', 'VOIDED REFUSED_BEFORE_CALL'),
  ('DISPATCH', 'RELEASED', '{}', 'RETRYABLE RELEASED -> DISPATCH'), ('ENQUIRE', 'RELEASED', '{}', 'RELEASED -> ENQUIRE'),
  ('DISPATCH', 'RELEASED', '{"seen": true}', 'RETRYABLE RELEASED -> ENQUIRE'), ('DISPATCH', 'NOT_SENT', '{"seen": true}', 'RAIL_UNCERTAIN -> ENQUIRE'),
  ('ENQUIRE', 'NOT_FOUND', '{"seen": true}', 'RAIL_NOT_FOUND -> ENQUIRE'), ('ENQUIRE', 'REJECTED', '{"seen": true}', 'RAIL_UNCERTAIN -> ENQUIRE'),
  ('ENQUIRE', 'REJECTED', '{"seen": true, "enquiries": 2}', 'PENDING_MANUAL ENQUIRY_EXHAUSTED'), ('ENQUIRE', 'ACCEPTED', '{"seen": true}', 'DISPATCHED'),
  ('DISPATCH', 'REFUSED_BEFORE_CALL', '{"seen": true}', 'RAIL_UNCERTAIN -> ENQUIRE')
) as c(action, class, changes, expected);
select is(outbox.wait_before_next('ENQUIRE', 'RAIL_UNCERTAIN', 0::smallint, 1, 1, 1::smallint, array[1, 2000]), interval '2 seconds', 'INV-015: the wait is the rung of the ladder');
select is(outbox.wait_before_next('DISPATCH', 'RELEASED', 0::smallint, 1, 1, 0::smallint, null), interval '0', 'INV-015: a released item waits for nothing');
select ok(bool_and(w between interval '0' and interval '300 ms') and max(w) > interval '150 ms', 'INV-015: back-off is full jitter under its cap')
from (select outbox.wait_before_next('DISPATCH', 'RAIL_NOT_SENT', 20::smallint, 100, 300, 0::smallint, array[1]) as w from generate_series(1, 200)) as w;

-- The rest
select is(outbox.payload_sha256('P', 'I', 'r', 'ZMW', 1, null, null, null, null, false), sha256(convert_to('{"amount_minor":"1","creditor_participant_id":null,"currency":"ZMW","end_to_end_id":null,"instruction_id":"I","participant_id":"P","purpose":null,"rail":"r","requires_proxy":false,"uetr":null}', 'UTF8')),
  'INV-011: same content means the same RFC 8785 object');
select results_eq($$select same_content, sequence_id from outbox.find_recorded(array(select i.intent from ingress.list_intents(array[pg_temp.item('C-1')]) as i))$$,
  $$select true, sequence_id from outbox.payment_instructions where instruction_id = 'C-1'$$, 'INV-011: what was recorded is found by key and id');
select throws_ok($$select * from outbox.enqueue_batch(1, current_date, array(select i.intent from ingress.list_intents(array[pg_temp.item('C-1')]) as i))$$, '23505', null,
  'INV-011: the ledger refuses a second recording');
select throws_ok($$select * from outbox.enqueue_batch(1, current_date, array(select i.intent from ingress.list_intents(array[pg_temp.item('N-1')]) as i))$$, '23503', null,
  'INV-ATT-002: the ledger refuses an instruction without attestation');
select lives_ok($$select outbox.follow_up(null)$$, 'INV-OUTBOX-02: nothing follows from nothing');
select is_empty($$select * from outbox.instruction_status('ZM-BANK-B', 'C-1')$$, 'INV-005: a participant sees its own instructions only');
select is_empty($$select * from outbox.instruction_status('ZM-BANK-A', 'never')$$, 'INV-011: what was never recorded has no status');
select lives_ok($$select outbox.wake_executors()$$, 'INV-WAKE-001: executors can be woken');
select is(outbox.ensure_partitions('payment_instructions', '2031-05-01'), 'outbox.payment_instructions_203105', 'INV-014: the context makes its leaves');
select throws_ok(s.statement, 'SX001', null, 'INV-014: refused: ' || s.statement)
from (values ($$update outbox.payment_outbox_attempts set state = 'FAILED'$$), ($$delete from outbox.payment_outbox_attempts$$), ($$truncate outbox.payment_outbox_attempts$$),
  ($$update outbox.payment_instructions set amount_minor = 1$$), ($$delete from outbox.payment_instructions$$), ($$truncate outbox.payment_instructions cascade$$),
  ($$update outbox.idempotency_ledger set idempotency_key = 'x'$$), ($$delete from outbox.idempotency_ledger$$), ($$truncate outbox.idempotency_ledger$$),
  ($$update outbox.idempotency_key_aliases set idempotency_key = 'x'$$), ($$delete from outbox.idempotency_key_aliases$$), ($$truncate outbox.idempotency_key_aliases$$)) as s(statement);

select * from finish();
rollback;
