-- core: errors, clock, identifiers, canonical JSON, the cell, partitions.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();

-- Errors
select throws_ok($$select core.raise_error('SV401', '{"items": 0}')$$, 'SV401',
  'batch_out_of_bounds: a batch holds 1 to its documented maximum of items',
  'INV-005: a registered error is raised with its constant message');
select throws_ok($$select core.raise_error('SZ999')$$, 'SX002', null, 'INV-005: an unregistered error says so');
do $$
declare
  v_detail text;
  v_hint text;
begin
  perform core.raise_error('SR201', '{"a": 1}');
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  create temp table raised as select v_detail as detail, v_hint as hint;
end
$$;
select is(detail::jsonb, '{"a": 1}'::jsonb, 'INV-LEAK-001: particulars of an error travel as JSON in DETAIL') from raised;
select isnt(hint, '', 'INV-005: an error names the next action') from raised;
select is_empty($$select sqlstate from core.errors where message = '' or hint = '' or name !~ '^[a-z][a-z0-9_]+$'$$,
  'INV-005: every registered error has a name, a message and a next action');
select throws_ok($$insert into core.errors values ('XX000', 'x', 'x', 'x')$$, '23514', null,
  'INV-005: only house classes can be registered');
select is_empty($$select reason_code from core.list_reasons() where meaning = '' or next_action = ''$$,
  'INV-005: every reason has a meaning and a next action');
select set_has($$select reason_code from core.list_reasons()$$,
  $$values ('CELL_NOT_HOME'), ('IDEMPOTENCY_CONFLICT'), ('LIMIT_DAY_VALUE'), ('RETRY_CEILING'), ('UNREGISTERED_REASON')$$,
  'INV-005: the register lists the reasons that functions give');

-- Clock and identifiers
select cmp_ok(core.now(), '<=', clock_timestamp(), 'INV-013: the clock is the database''s');
select is(core.epoch_us('2026-11-21 12:00:00.123456+00'), '1795262400123456', 'INV-EVID-001: times enter commitments as microseconds');
select is(core.epoch_us(null), null, 'INV-EVID-001: a missing time stays missing');
select is(substr(replace(core.uuidv7_floor('2026-12-01 00:00:00+00')::text, '-', ''), 1, 12),
  lpad(to_hex((extract(epoch from timestamptz '2026-12-01 00:00:00+00') * 1000)::bigint), 12, '0'),
  'INV-014: the first 48 bits of a bound are the milliseconds of RFC 9562');
select cmp_ok(core.uuidv7_floor(clock_timestamp() - interval '1 second'), '<', uuidv7(), 'INV-014: a new id lies above the bound of a moment ago');
select cmp_ok(core.uuidv7_floor(clock_timestamp() + interval '1 second'), '>', uuidv7(), 'INV-014: a new id lies below the bound of a moment to come');
select is(core.uuidv7_floor(null), null, 'INV-014: no moment, no bound');

select lives_ok($$select core.require_session()$$, 'INV-011: READ COMMITTED and a durable commit are what the functions need');
set local synchronous_commit = off;
select throws_ok($$select core.require_session()$$, 'SX004', null, 'INV-ACK-001: a session whose commits are not durable is refused');
set local synchronous_commit = on;

-- Commitments and canonical JSON (RFC 8785)
select is(core.commitment(array['a', null, 'b']), sha256(convert_to('["a",null,"b"]', 'UTF8')),
  'INV-EVID-001: a commitment is the SHA-256 of the RFC 8785 array of its fields');
select is(core.commitment(array[U&'\00e9"\000a']), sha256(convert_to(U&'["\00e9\005c"\005cn"]', 'UTF8')),
  'INV-EVID-001: strings in a commitment are escaped as RFC 8785 says');
select is(core.canonical_json('{"b": [1, 2.50, {"z": null, "a": true}], "a": "x"}'), '{"a":"x","b":[1,2.5,{"a":true,"z":null}]}',
  'INV-017: canonical JSON sorts members and drops white space');
select is(core.canonical_json(U&'{"\fb33": 1, "\+01f600": 2, "a": 3}'), U&'{"a":3,"\+01f600":2,"\fb33":1}',
  'INV-017: members are ordered by UTF-16 code units');
select is(core.canonical_json('[333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001, -0]'),
  '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]', 'INV-017: the numbers of RFC 8785 section 3.2.2');
select is(core.canonical_json('"\u000f\n\u0080\""'), U&'"\005cu000f\005cn\0080\005c""', 'INV-017: the strings of RFC 8785');
select is(core.canonical_json(null), null, 'INV-017: nothing has no canonical form');
select throws_ok($$select core.canonical_json('[1e400]')$$, 'SV001', null, 'INV-017: a number beyond IEEE 754 is refused');
select is(core.canonical_number(1e21), '1e+21', 'INV-017: ECMA-262 notation from 1e21 on');
select is(core.canonical_number(1e-7), '1e-7', 'INV-017: ECMA-262 notation below 1e-6');
select is(core.canonical_number(9007199254740993), '9007199254740992', 'INV-017: integers beyond 2^53 are the double they become');
select throws_ok($$select core.canonical_number('NaN')$$, 'SV001', null, 'INV-017: NaN is refused');

-- The cell
select throws_ok($$select core.get_cell()$$, 'SX003', null, 'INV-005: no cell before it is established');
select throws_ok($$select core.establish_cell('Cell 1', 1)$$, '23514', null, 'INV-005: a cell id is an identifier');
select throws_ok($$select core.establish_cell('cell-test', 0)$$, '23514', null, 'INV-005: an epoch is positive');
select lives_ok($$select core.establish_cell('cell-test', 1)$$, 'INV-005: a cell is established');
select lives_ok($$select core.establish_cell('cell-test', 1)$$, 'INV-005: establishing the same cell again does nothing');
select throws_ok($$select core.establish_cell('cell-other', 2)$$, 'SC001', null, 'INV-005: a cell keeps its id');
select lives_ok($$select core.establish_cell('cell-test', 3)$$, 'INV-005: the epoch grows');
select throws_ok($$select core.establish_cell('cell-test', 2)$$, 'SC001', null, 'INV-005: the epoch never falls');
select throws_ok($$select core.establish_cell('cell-test', 1)$$, 'SC001', null, 'INV-005: not to one that was in force before either');
select results_eq($$select c.cell_id, c.epoch from core.get_cell() as c$$, $$values ('cell-test' collate "C", 3)$$,
  'INV-005: the cell is the one that was established last');
select results_eq($$select epoch from core.cell order by epoch$$, array[1, 3], 'INV-005: every epoch stays on record');
select lives_ok($$select core.hold_cell()$$, 'INV-005: the cell is held against a raise of its epoch');

select throws_ok(s.statement, 'SX001', null, 'INV-001: refused: ' || s.statement)
from (values ($$update core.cell set epoch = 2$$), ($$delete from core.cell$$), ($$truncate core.cell$$),
  ($$update core.schema_migration set sha256 = sha256('')$$), ($$delete from core.schema_migration$$), ($$truncate core.schema_migration$$),
  ($$update core.schema_repeatable set sha256 = sha256('')$$), ($$delete from core.schema_repeatable$$), ($$truncate core.schema_repeatable$$)) as s(statement);

-- Partitions
select set_has($$select schema_name || '.' || table_name from core.list_month_partitioned()$$,
  $$values ('ingress.ingress_attestations'), ('outbox.payment_instructions'), ('outbox.instruction_parties'),
    ('outbox.payment_outbox_attempts'), ('rails.rail_messages'), ('evidence.evidence_events')$$,
  'INV-014: the growing ledgers are registered for monthly partitions');
set local role symphony_evidence_owner;
select is(core.create_month_partition('evidence', 'evidence_events', '2031-05-01'), 'evidence.evidence_events_203105',
  'INV-014: a context makes its own leaf');
select is(core.create_month_partition('evidence', 'evidence_events', '2031-05-01'), null, 'INV-014: a leaf is made once');
select throws_ok($$select core.create_month_partition('evidence', 'cases', '2031-05-01')$$, 'P0002', null,
  'INV-014: an unregistered table gets no leaf');
select throws_ok($$select core.create_month_partition('outbox', 'payment_outbox_attempts', '2031-05-01')$$, '42501', null,
  'INV-005: a context cannot make another context''s leaf');
reset role;
select throws_ok($$truncate evidence.evidence_events_203105$$, 'SX001', null, 'INV-014: a new leaf refuses TRUNCATE');

select throws_ok($$truncate policy.halts$$, 'SX001', 'ledger_is_append_only: ledger rows are never changed, removed or truncated',
  'INV-014: core.refuse_change names the rule');

select * from finish();
rollback;
