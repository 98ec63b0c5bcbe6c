-- ingress: accept and its attestations.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();

-- Before there is a policy
select throws_ok($$select * from ingress.accept(array[pg_temp.item('I-0')])$$, 'SR201', null, 'INV-016: nothing is accepted without an active policy');
select pg_temp.establish();
select throws_ok($$select * from ingress.accept('{}')$$, 'SV401', null, 'INV-BATCH-001: an empty batch is refused');
select throws_ok($$select * from ingress.accept(null)$$, 'SV401', null, 'INV-BATCH-001: no batch is refused');
select throws_ok($$select * from ingress.accept(array(select pg_temp.item('I-' || n) from generate_series(1, 501) as n))$$, 'SV401', null,
  'INV-BATCH-001: 501 items are refused');
select throws_ok($$select * from ingress.accept(array[pg_temp.item('I-0'), null])$$, 'SV501', null, 'INV-BATCH-001: a null item is refused');
select is(count(*), 0::bigint, 'INV-BATCH-001: a refused batch leaves nothing') from ingress.ingress_attestations;

-- One instruction
create temp table answer as select a.* from ingress.accept(array[pg_temp.item('I-1')]) as a;
select results_eq($$select item_no, decision::text, reason_code, sequence_id, state, policy_version from answer$$,
  $$values (1, 'ACCEPT', null::text, 1::bigint, 'PENDING', 1)$$, 'INV-ACK-001: an accepted instruction has its number, state and policy');
select is(i.commitment, answer.receipt_hash, 'INV-EVID-001: the receipt hash is the commitment of the recorded instruction')
from answer join outbox.payment_instructions as i using (outbox_id);
select is(i.commitment, core.commitment(array['outbox.payment_instructions', i.participant_id, i.outbox_id::text, i.sequence_id::text,
    i.attestation_id::text, i.idempotency_key, encode(i.payload_sha256, 'hex'), encode(i.parties_commitment, 'hex'),
    i.policy_version::text, i.limit_day::text, core.epoch_us(i.received_at), core.epoch_us(i.recorded_at)]),
  'INV-EVID-001: an auditor can recompute it from the row') from outbox.payment_instructions as i;
select is(i.payload_sha256, sha256(convert_to(core.canonical_json(jsonb_build_object('amount_minor', i.amount_minor::text,
    'creditor_participant_id', i.creditor_participant_id, 'currency', i.currency, 'end_to_end_id', i.end_to_end_id,
    'instruction_id', i.instruction_id, 'participant_id', i.participant_id, 'purpose', i.purpose, 'rail', i.rail,
    'requires_proxy', i.requires_proxy, 'uetr', i.uetr)), 'UTF8')),
  'INV-EVID-001: payload_sha256 is over the RFC 8785 form of the row') from outbox.payment_instructions as i;
select is(i.parties_commitment, sha256(y.salt || convert_to(y.parties, 'UTF8')), 'INV-LEAK-001: the ledger holds a salted commitment to the parties')
from outbox.payment_instructions as i join outbox.instruction_parties as y using (participant_id, outbox_id);
select is(octet_length(salt), 16, 'INV-LEAK-001: the salt has 16 bytes') from outbox.instruction_parties;
select results_eq($$select a.decision::text, a.reason_code, a.instruction_id, a.outbox_id, a.tenant_id, a.cell_id, a.cell_epoch, a.client_id,
    a.pop_mode::text, a.policy_version, a.policy_checksum, a.db_role, a.body_sha256 from ingress.ingress_attestations as a$$,
  $$select 'ACCEPT', null::text, 'I-1' collate "C", answer.outbox_id, 'T-1' collate "C", 'cell-test' collate "C", 1, 'client-1' collate "C", 'DEV_HEADER', 1,
    p.checksum, 'symphony_ingest' collate "C", sha256('I-1') from answer, policy.get_active() as p$$,
  'INV-ATT-001: the attestation says who, what, under which policy and role');
select is(a.commitment, core.commitment(array['ingress.ingress_attestations', a.participant_id, a.attestation_id::text, a.decision::text,
    a.reason_code, a.tenant_id, a.cell_id, a.cell_epoch::text, a.instruction_id, a.outbox_id::text, a.client_id, encode(a.cert_sha256, 'hex'),
    a.token_iss, a.token_aud, a.token_kid, encode(a.token_jti_sha256, 'hex'), a.cnf, a.pop_mode::text, encode(a.body_sha256, 'hex'),
    a.signature_key_id, a.signature_alg, a.policy_version::text, encode(a.policy_checksum, 'hex'), a.db_role, a.correlation_id::text,
    core.epoch_us(a.received_at), core.epoch_us(a.verified_at), core.epoch_us(a.recorded_at)]),
  'INV-EVID-001: its commitment can be recomputed from the row') from ingress.ingress_attestations as a;
select is(a.recorded_xid, pg_current_xact_id(), 'INV-EVID-001: and names its transaction') from ingress.ingress_attestations as a;
select is(p.parent_attestation_id, a.attestation_id, 'INV-ATT-002: the queue row points to the attestation')
from outbox.payment_outbox_pending as p, ingress.ingress_attestations as a;

-- Replays and conflicts
select results_eq($$select decision::text, outbox_id, sequence_id, state, received_at, policy_version, receipt_hash from ingress.accept(array[pg_temp.item('I-1')])$$,
  $$select 'REPLAY', outbox_id, sequence_id, state, received_at, policy_version, receipt_hash from answer$$,
  'INV-011: the same key and content gives the original answer');
select is(pg_temp.decided('I-1', '{"idempotency_key": "other-key"}'), 'REPLAY', 'INV-011: the same id and content under another key is a replay');
select is(pg_temp.decided('I-1', '{"amount_minor": 2}'), 'REJECT IDEMPOTENCY_CONFLICT', 'INV-011: another amount under the same key is a conflict');
select is(pg_temp.decided('I-1', '{"parties": "{}"}'), 'REJECT IDEMPOTENCY_CONFLICT', 'INV-011: other parties under the same key are a conflict');
select is(pg_temp.decided('I-2', '{"idempotency_key": "I-1"}'), 'REJECT IDEMPOTENCY_CONFLICT', 'INV-011: another id under the same key is a conflict');
select is(pg_temp.decided('I-1', '{"participant_id": "ZM-BANK-B", "creditor_participant_id": "ZM-BANK-A"}'), 'ACCEPT',
  'INV-011: another participant''s ids are its own');
select is(count(*), 2::bigint, 'INV-011: replays and conflicts record no instruction') from outbox.payment_instructions;
select is(value_minor, 1000::bigint, 'INV-011: and take no usage') from policy.limit_usage where participant_id = 'ZM-BANK-A';
select results_eq($$select decision::text, count(*)::integer from ingress.ingress_attestations group by 1 order by 1$$,
  $$values ('ACCEPT', 2), ('REJECT', 3), ('REPLAY', 2)$$, 'INV-ATT-003: each of them is attested');
update outbox.instruction_parties set salt = null, parties = null, erased_at = now();
select is(pg_temp.decided('I-1'), 'REPLAY', 'INV-011: a replay is recognised after the parties were erased');

-- Forms
select is(pg_temp.decided('F-' || row_number() over (), p.changes::jsonb), p.expected, 'INV-005: ' || p.changes)
from (values
  ('{"idempotency_key": "with blank "}', 'REJECT ITEM_INVALID'), ('{"idempotency_key": ""}', 'REJECT ITEM_INVALID'),
  ('{"idempotency_key": null}', 'REJECT ITEM_INVALID'), ('{"instruction_id": null}', 'REJECT ITEM_INVALID'),
  ('{"instruction_id": "Zażółć"}', 'REJECT ITEM_INVALID'), ('{"participant_id": "zm-bank-a"}', 'REJECT ITEM_INVALID'),
  ('{"participant_id": null}', 'REJECT ITEM_INVALID'), ('{"rail": "Sandbox"}', 'REJECT ITEM_INVALID'), ('{"rail": null}', 'REJECT ITEM_INVALID'),
  ('{"currency": "zmw"}', 'REJECT ITEM_INVALID'), ('{"currency": "ZMWW"}', 'REJECT ITEM_INVALID'), ('{"amount_minor": 0}', 'REJECT ITEM_INVALID'),
  ('{"amount_minor": -1}', 'REJECT ITEM_INVALID'), ('{"amount_minor": null}', 'REJECT ITEM_INVALID'),
  ('{"amount_minor": 9007199254740992}', 'REJECT ITEM_INVALID'), ('{"amount_minor": 9007199254740991}', 'REJECT LIMIT_TRANSACTION'),
  ('{"creditor_participant_id": "lower"}', 'REJECT ITEM_INVALID'), ('{"end_to_end_id": ""}', 'REJECT ITEM_INVALID'),
  ('{"end_to_end_id": "123456789012345678901234567890123456"}', 'REJECT ITEM_INVALID'), ('{"purpose": "SALAR"}', 'REJECT ITEM_INVALID'),
  ('{"requires_proxy": null}', 'REJECT ITEM_INVALID'), ('{"requires_proxy": true}', 'REJECT PROXY_NOT_SUPPORTED'),
  ('{"parties": null}', 'REJECT ITEM_INVALID'), ('{"parties": "[]"}', 'REJECT ITEM_INVALID'), ('{"parties": "{"}', 'REJECT ITEM_INVALID'),
  ('{"reject_reason": "SCHEMA_INVALID"}', 'REJECT SCHEMA_INVALID'),
  ('{"reject_reason": "IDENTITY_MISSING", "participant_id": null, "parties": null, "rail": null}', 'REJECT IDENTITY_MISSING'),
  ('{"rail": "backup", "participant_id": "ZM-BANK-B"}', 'REJECT RAIL_NOT_ALLOWED'), ('{"participant_id": "ZM-ELSEWHERE"}', 'REJECT CELL_NOT_HOME'),
  ('{"uetr": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "end_to_end_id": "E2E 1", "purpose": "SALA", "creditor_participant_id": null}', 'ACCEPT')
) as p(changes, expected);
select is(pg_temp.decided(repeat('x', 65)), 'REJECT ITEM_INVALID', 'INV-005: an id of 65 characters is refused');
select is(pg_temp.decided(repeat('x', 64)), 'ACCEPT', 'INV-005: an id of 64 characters is recorded');
select is(pg_temp.decided('F-parties', jsonb_build_object('parties', '{"x":"' || repeat('x', 8192) || '"}')), 'REJECT ITEM_INVALID',
  'INV-005: parties of more than 8192 characters are refused');
select is(decision::text || ' ' || a.reason_code, 'REJECT UNREGISTERED', 'INV-ATT-001: an unregistered reason is answered as given')
from ingress.accept(array[pg_temp.item('F-unregistered', '{"reject_reason": "UNREGISTERED"}')]) as a;
select is(reason_code, 'UNREGISTERED_REASON', 'INV-ATT-001: and attested as unregistered')
from ingress.ingress_attestations where instruction_id = 'F-unregistered';
select results_eq($$select participant_id, instruction_id, outbox_id, count(*)::integer from ingress.ingress_attestations
  where reason_code = 'IDENTITY_MISSING' group by 1, 2, 3$$, $$values ('-' collate "C", 'F-27' collate "C", null::uuid, 1)$$,
  'INV-ATT-001: a refusal without identity is attested for nobody');
select is(pg_temp.decided('O-' || row_number() over (), c.change::jsonb), 'REJECT ITEM_INVALID', 'INV-ATT-001: the ingress must say what it attests: ' || c.change)
from (values ('{"body_sha256": null}'), ('{"body_sha256": "\\x00"}'), ('{"correlation_id": null}'), ('{"received_at": null}'),
  ('{"verified_at": "infinity"}'), ('{"db_role": null}'), ('{"pop_mode": null}'), ('{"pop_mode": "TRUST_ME"}'), ('{"cert_sha256": "\\x00"}')) as c(change);
select results_eq($$select count(*)::integer, count(a.body_sha256)::integer, count(a.correlation_id)::integer, count(a.received_at)::integer,
    count(a.verified_at)::integer, count(a.db_role)::integer, count(a.cert_sha256)::integer
  from ingress.ingress_attestations as a where a.instruction_id ~ '^O-'$$, $$values (9, 7, 8, 8, 8, 8, 0)$$,
  'INV-ATT-001: and what has not the form of a fact is attested as missing');

-- A batch
create temp table before as select count(*) as attested from ingress.ingress_attestations;
select results_eq($$select item_no, decision::text, reason_code from ingress.accept(array[
    pg_temp.item('B-1'), pg_temp.item('B-2', '{"amount_minor": 0}'), pg_temp.item('B-3', '{"amount_minor": 100001}'), pg_temp.item('B-1'),
    pg_temp.item('B-4', '{"idempotency_key": "B-1"}'), pg_temp.item('B-1', '{"amount_minor": 7}'), pg_temp.item('B-3', '{"idempotency_key": "B-3b"}'),
    pg_temp.item('I-1'), pg_temp.item('B-5', '{"participant_id": "ZM-BANK-B", "creditor_participant_id": null}'), pg_temp.item('B-6')]) order by item_no$$,
  $$values (1, 'ACCEPT', null), (2, 'REJECT', 'ITEM_INVALID'), (3, 'REJECT', 'LIMIT_TRANSACTION'), (4, 'REPLAY', null),
    (5, 'REJECT', 'IDEMPOTENCY_CONFLICT'), (6, 'REJECT', 'IDEMPOTENCY_CONFLICT'), (7, 'REJECT', 'DUPLICATE_IN_BATCH'), (8, 'REPLAY', null),
    (9, 'ACCEPT', null), (10, 'ACCEPT', null)$$, 'INV-BATCH-001: every item of a batch is decided on its own');
select is(count(*) - (select attested from before), 10::bigint, 'INV-ATT-001: and attested once, twins too') from ingress.ingress_attestations;
select is(s.last_sequence_id, count(i.*), 'INV-011: the sequence of ' || s.participant_id || ' has no gap')
from outbox.participant_outbox_sequences as s join outbox.payment_instructions as i using (participant_id)
group by s.participant_id;
select results_eq($$select participant_id, array_agg(sequence_id order by recorded_at, outbox_id) from outbox.payment_instructions group by 1 order by 1$$,
  $$select participant_id, array(select generate_series(1, last_sequence_id)) from outbox.participant_outbox_sequences where last_sequence_id > 0 order by 1$$,
  'INV-011: sequence numbers follow the order of recording');

-- A replay in any state
select policy.halt('GLOBAL', null, null, 'BOTH', 'operator', 'drill');
select is(pg_temp.decided('H-1'), 'REJECT HALTED_GLOBAL', 'INV-005: under a halt nothing new is accepted');
select is(pg_temp.decided('B-1'), 'REPLAY', 'INV-011: under a halt a replay gets the original answer');
select is(reason_code, 'HALTED_GLOBAL', 'INV-ATT-001: a halted instruction is attested') from ingress.ingress_attestations where instruction_id = 'H-1';
select policy.lift_halt(halt_id, 'operator', 'over') from policy.list_halts();
select is(pg_temp.decided('H-1'), 'ACCEPT', 'INV-011: a refused id and key may be used again');

-- The parts of accept
select is(ingress.form_reason('ZM-BANK-A', 'I', 'K', 'sandbox', 'ZMW', 1, null, null, null, false, '{}', true, null), null, 'INV-005: a good form has no reason');
select is((select string_agg(coalesce(ingress.form_reason('ZM-BANK-A', id, '.', 'sandbox', 'ZMW', 1, null, null, null, false, '{}', true, null), '-'), ' ' order by id collate "C")
  from unnest(array['.', '..', '...', '.a']) as id), 'ITEM_INVALID ITEM_INVALID - -', 'INV-005: nor can an instruction be named as a step in a path');
select is(ingress.form_reason('ZM-BANK-A', 'I', 'K', 'sandbox', 'ZMW', 1, null, null, null, false, '{}', false, null), 'ITEM_INVALID', 'INV-ATT-001: nor is one enough without the facts');
select is(ingress.form_reason(null, null, null, null, null, null, null, null, null, null, null, null, 'HEADER_INVALID'), 'HEADER_INVALID',
  'INV-005: the ingress''s own refusal stands');
create function pg_temp.explained(p_query text) returns setof text language plpgsql as $$begin return query execute 'explain (verbose, costs off) ' || p_query; end$$;
select is_empty($$select p from pg_temp.explained($q$select ingress.form_reason(t, t, t, t, t, 1, t, t, t, false, t,
    t = 'a' and t = 'b' and t = 'c' and t = 'd' and t = 'e' and t = 'f' and t = 'g' and t = 'h' and t = 'i' and t = 'j' and t = 'k' and t = 'l', t)
  from unnest(array['x']) as t$q$) as p
  where p ~ '\mform_reason\M'$$, 'the form is judged in line: a call for each item costs a tenth of the accept path');
select results_eq($$select n, (intent).twin, reason from ingress.list_intents(array[pg_temp.item('L-1'), pg_temp.item('L-2', '{"amount_minor": 0}'),
    pg_temp.item('L-2'), pg_temp.item('L-1')])$$,
  $$values (1, false, null), (2, false, 'ITEM_INVALID'), (3, false, null), (4, true, null)$$,
  'INV-011: a twin is the second use among well-formed items');
select lives_ok($$select ingress.attest(array[pg_temp.item('A-1')], array[i.intent], array['ITEM_INVALID'], array[null]::outbox.recorded[], null, null, array[2])
  from ingress.list_intents(array[pg_temp.item('A-1')]) as i$$, 'INV-ATT-001: only the named items are attested');
select is(count(*), 0::bigint, 'INV-ATT-001: and no other') from ingress.ingress_attestations where instruction_id = 'A-1';
select throws_ok($$insert into ingress.ingress_attestations (participant_id, attestation_id, decision, cell_id, cell_epoch, pop_mode, body_sha256,
    db_role, correlation_id, received_at, verified_at, recorded_at, commitment)
  select 'P', uuidv7(), 'REJECT', 'c', 1, 'NONE', sha256(''), 'r', uuidv7(), now(), now(), now(), sha256('')$$, '23514', null,
  'INV-ATT-001: a refusal has a reason');
select throws_ok($$insert into ingress.ingress_attestations (participant_id, attestation_id, decision, outbox_id, instruction_id, policy_version,
    policy_checksum, cell_id, cell_epoch, pop_mode, recorded_at, commitment)
  select 'P', uuidv7(), 'ACCEPT', uuidv7(), 'I', 1, sha256(''), 'c', 1, 'NONE', now(), sha256('')$$, '23514', null,
  'INV-ATT-001: an ACCEPT without its facts is refused by the table too');
select throws_ok($$select ingress.check_items('{}')$$, 'SV401', null, 'INV-BATCH-001: check_items refuses an empty batch');
select results_eq($$select ingress.find_accepted('ZM-BANK-A', attestation_id, i) from ingress.ingress_attestations as a,
    unnest(array['I-1', 'I-2']) as i where a.instruction_id = 'I-1' and a.decision = 'ACCEPT' and a.participant_id = 'ZM-BANK-A' order by i$$,
  $$select unnest(array[outbox_id, null]) from answer$$, 'INV-ATT-002: an ACCEPT attestation is found for its own instruction only');
select throws_ok(s.statement, 'SX001', null, 'INV-ATT-001: refused: ' || s.statement)
from (values ($$update ingress.ingress_attestations set decision = 'ACCEPT'$$), ($$delete from ingress.ingress_attestations$$),
  ($$truncate ingress.ingress_attestations cascade$$)) as s(statement);
select is(ingress.ensure_partitions('ingress_attestations', '2031-05-01'), 'ingress.ingress_attestations_203105', 'INV-014: the context makes its leaves');
select throws_ok($$select ingress.ensure_partitions('payment_instructions', '2031-05-01')$$, 'P0002', null, 'INV-014: and no other''s');

select * from finish();
rollback;
