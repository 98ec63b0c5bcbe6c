-- proxy: whom an alias stands for, how that is recorded, and that nothing is dispatched without it.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

-- Instructions to aliases, leases and answers under short names.
create function pg_temp.aliased(p_instruction_id text, p_changes jsonb default '{}', p_value text default '+260971234567', p_creditor jsonb default '{}')
returns text language sql begin atomic
  select pg_temp.decided(p_instruction_id, jsonb_build_object('requires_proxy', true, 'creditor_participant_id', null, 'parties',
    jsonb_build_object('creditor', jsonb_build_object('alias', jsonb_build_object('type', 'MBNO', 'value', p_value)) || p_creditor,
      'debtor', '{"account": "2"}'::jsonb)::text) || p_changes);
end;
create function pg_temp.asked(p_worker text, p_limit integer default 100, p_lease interval default '30 s') returns text language sql begin atomic
  select coalesce(string_agg(i.instruction_id, ', ' order by c.outbox_id), '')
  from proxy.claim_resolutions(p_worker => p_worker, p_limit => p_limit, p_lease => p_lease) as c
  join outbox.payment_instructions as i on i.participant_id = c.participant_id and i.outbox_id = c.outbox_id;
end;
create function pg_temp.keyed(p_value text) returns bytea language sql return sha256(convert_to('a key ' || p_value, 'UTF8'));
-- RESOLVED at bank B of the alias as leased, with changes.
create function pg_temp.alias_answer(p_instruction_id text, p_changes jsonb default '{}') returns outbox.alias_answer language sql begin atomic
  select jsonb_populate_record(null::outbox.alias_answer, jsonb_build_object('participant_id', q.participant_id, 'outbox_id', q.outbox_id,
    'lease_token', q.lease_token, 'proxy_hash', pg_temp.keyed('+260971234567'), 'hash_key_id', 'proxy-hash:v1', 'status', 'RESOLVED',
    'beneficiary_participant_id', 'ZM-BANK-B', 'beneficiary', '{"account":"77","name":"Mwila"}', 'sealed_beneficiary', '\x5ea1', 'source', 'sandbox',
    'source_version', 'sandbox-1', 'response_sha256', sha256('r'), 'latency_us', 1500) || p_changes)
  from proxy.resolution_queue as q where q.outbox_id = pg_temp.id(p_instruction_id);
end;
create function pg_temp.nobody(p_status text default 'NOT_FOUND') returns jsonb language sql return jsonb_build_object('status', p_status,
  'reason_code', 'PROXY_' || case when p_status = 'TEMP_UNAVAILABLE' then 'REGISTRY_TIMEOUT' else p_status end,
  'beneficiary', null, 'beneficiary_participant_id', null, 'sealed_beneficiary', null);
create function pg_temp.said(p_worker text, p_instruction_id text, p_changes jsonb default '{}') returns text language sql begin atomic
  select string_agg(concat_ws(' ', r.outcome, r.reason_code), ', ')
  from outbox.record_resolutions(p_worker => p_worker, p_answers => array[pg_temp.alias_answer(p_instruction_id, p_changes)]) as r;
end;
-- How many rows everything holds that an answer or a dispatch may write, and what the queue says.
create function pg_temp.books() returns text language sql begin atomic
  select concat_ws(' ', (select count(*) from proxy.proxy_resolutions), (select count(*) from proxy.proxy_resolution_current),
    (select string_agg(q::text, ';' order by q.outbox_id) from proxy.resolution_queue as q), (select sum(misses) from proxy.miss_counts),
    (select count(*) from outbox.payment_outbox_attempts), (select string_agg(p::text, ';' order by p.outbox_id) from outbox.payment_outbox_pending as p),
    (select count(*) from outbox.payment_outbox_in_flight), (select count(*) from evidence.cases), (select sum(value_minor) from policy.limit_usage),
    (select count(y.beneficiary) from outbox.instruction_parties as y));
end;
create temp table before (books text);
create function pg_temp.remember() returns void language sql begin atomic
  delete from before;
  insert into before select pg_temp.books();
end;

-- Accepting
select is(pg_temp.aliased('P-' || n), 'ACCEPT', 'INV-PROXY-001: set-up P-' || n) from generate_series(1, 9) as n;
select is(pg_temp.state('P-1'), 'AWAITING_PROXY_RESOLUTION', 'INV-PROXY-001: an instruction to an alias waits for its resolution');
select is(pg_temp.aliased('P-form-' || n, '{}', a.value), 'REJECT PROXY_NOT_SUPPORTED', 'INV-PROXY-001: no alias: ' || left(a.value, 5))
from (values (1, ''), (2, repeat('9', 2049))) as a(n, value);
select is(pg_temp.decided('P-none', '{"requires_proxy": true}'), 'REJECT PROXY_NOT_SUPPORTED', 'INV-PROXY-001: an alias that is not there');
select is(count(*), 9::bigint, 'INV-PROXY-001: what is refused is not queued') from proxy.resolution_queue;
select results_eq($$select due_at, next_action::text, requires_proxy, resolution_id, resolved_until from outbox.payment_outbox_pending where outbox_id = pg_temp.id('P-1')$$,
  $$values ('infinity'::timestamptz, 'DISPATCH', true, null::uuid, null::timestamptz)$$, 'INV-PROXY-001: never due before it is resolved');

-- Claims of resolutions within bounds
select throws_ok(format('select * from proxy.claim_resolutions(%L, %L, %L)', c.worker, c.items, c.lease), 'SV302', null,
  format('INV-PROXY-001: refused claim: worker %L, %s items, lease %s', left(c.worker, 5), coalesce(c.items::text, 'null'), c.lease))
from (values ('w', 0, '30 s'), ('w', -1, '30 s'), ('w', 1001, '30 s'), ('w', null, '30 s'), ('', 1, '30 s'), (null, 1, '30 s'), (repeat('w', 65), 1, '30 s'),
  ('w', 1, '999 ms'), ('w', 1, '10 min 1 ms'), ('w', 1, null), ('w', 1, 'infinity')) as c(worker, items, lease);
select throws_ok($$select * from outbox.record_resolutions('w', $$ || c.answers || ')', c.state, null, 'INV-PROXY-001: refused answers: ' || left(c.answers, 40))
from (values ('null', 'SV401'), ($$'{}'$$, 'SV401'), ('array_fill(null::outbox.alias_answer, array[1001])', 'SV401')) as c(answers, state);
select throws_ok($$select * from outbox.record_resolutions('', array[null]::outbox.alias_answer[])$$, 'SV402', null, 'INV-PROXY-001: a resolver has a name');
select throws_ok(format('select * from outbox.tend_resolutions(%L, %L)', c.worker, c.items), c.state, null, 'INV-PROXY-001: refused tending')
from (values ('w', 0, 'SV401'), ('w', null, 'SV401'), ('', 1, 'SV402')) as c(worker, items, state);
select throws_ok(format('select proxy.forget_expired(%L)', n), 'SV302', null, 'INV-PROXY-001: forgetting is bounded') from (values (0), (100001), (null)) as c(n);
select is(count(*), 0::bigint, 'INV-PROXY-001: refused calls lease nothing') from proxy.resolution_queue where lease_token is not null;

-- Leases
select is(pg_temp.asked('r', 2), 'P-1, P-2', 'INV-PROXY-001: oldest first, never more than the limit');
select is(pg_temp.asked('s', 2), 'P-3, P-4', 'INV-PROXY-001: what is leased is passed by');
create function pg_temp.leases(p_instruction_ids text[]) returns proxy.lease[] language sql begin atomic
  select array_agg(row(q.participant_id, q.outbox_id, q.lease_token)::proxy.lease) from proxy.resolution_queue as q
  where q.outbox_id in (select pg_temp.id(n) from unnest(p_instruction_ids) as n);
end;
select results_eq($$select alias_type, alias_value, creditor_participant_id from outbox.read_leased_aliases('r', pg_temp.leases('{P-1,P-2,P-3,P-9}'))$$,
  $$values ('MBNO', '+260971234567', null::text collate "C"), ('MBNO', '+260971234567', null)$$, 'INV-PROXY-001: the holder reads its leased aliases and no others');
select is_empty($$select * from outbox.read_leased_aliases('s', pg_temp.leases('{P-1}'))$$, 'INV-PROXY-001: another worker reads nothing');
select is_empty($$select * from outbox.read_leased_aliases('r', array[row('ZM-BANK-A', pg_temp.id('P-1'), gen_random_uuid())::proxy.lease, row('ZM-BANK-A',
  pg_temp.id('P-1'), null)::proxy.lease, null])$$, 'INV-PROXY-001: another token reads nothing');
select is_empty($$select * from outbox.read_leased_aliases('r', array(select row('ZM-BANK-B', l.outbox_id, l.lease_token)::proxy.lease
  from unnest(pg_temp.leases('{P-1}')) as l))$$, 'INV-PROXY-001: another participant''s name reads nothing');
select is_empty($$select * from outbox.read_leased_aliases('r', null)$$, 'INV-PROXY-001: no leases, no aliases');
savepoint expiry;
update proxy.resolution_queue set claimed_at = claimed_at - interval '1 hour', lease_expires_at = clock_timestamp(), due_at = clock_timestamp() where claimed_by = 'r';
select is_empty($$select * from outbox.read_leased_aliases('r', pg_temp.leases('{P-1}'))$$, 'INV-PROXY-001: an expired lease reads nothing');
select pg_temp.remember();
select is(pg_temp.said('r', 'P-1'), null, 'INV-PROXY-001: an answer under an expired lease is not taken');
select is(proxy.release_resolutions('r', pg_temp.leases('{P-1}')), 0, 'INV-PROXY-001: nor is it released');
select is(pg_temp.books(), books, 'INV-PROXY-001: and writes nothing') from before;
select is(pg_temp.asked('t', 1), 'P-1', 'INV-PROXY-001: the lost lease is claimed again, in its old place');
select pg_temp.remember();
select is(pg_temp.said('r', 'P-1'), null, 'INV-PROXY-001: the old worker''s answer under the new lease''s token is not taken');
select is(pg_temp.books(), books, 'INV-PROXY-001: and writes nothing') from before;
rollback to savepoint expiry;
select pg_temp.remember();
select is(pg_temp.said(c.worker, 'P-1', c.changes), null, 'INV-PROXY-001: not the holder: ' || c.worker || ' ' || c.changes::text)
from (values ('s', '{}'::jsonb), ('r', '{"lease_token": "11111111-1111-4111-8111-111111111111"}'), ('r', '{"lease_token": null}'),
  ('r', '{"participant_id": "ZM-BANK-B"}'), ('r', '{"participant_id": null}'), ('r', '{"outbox_id": null}'),
  ('r', '{"outbox_id": "11111111-1111-4111-8111-111111111111"}')) as c(worker, changes);
select is(pg_temp.books(), books, 'INV-PROXY-001: who does not hold the lease writes nothing') from before;
select is(proxy.release_resolutions('s', pg_temp.leases('{P-1}')), 0, 'INV-PROXY-001: nobody gives back what another holds');
select is(proxy.release_resolutions('r', pg_temp.leases('{P-1,P-2}')), 2, 'INV-PROXY-001: leases are given back unasked');
select is(pg_temp.asked('r', 3), 'P-1, P-2, P-5', 'INV-PROXY-001: and keep their place');
select is(proxy.release_resolutions('r', null), 0, 'INV-PROXY-001: releasing nothing is nothing');
select throws_ok(format('select proxy.release_resolutions(%L, null, %L)', 'r', w), 'SV302', null, 'INV-PROXY-001: refused wait: ' || coalesce(w, 'null'))
from unnest(array['-1 microsecond', '2 min 1 microsecond', 'infinity', null]) as w;

-- No dispatch without a resolution: each status, and none
select is(pg_temp.said('r', 'P-1', pg_temp.nobody('TEMP_UNAVAILABLE')), 'RETRY PROXY_REGISTRY_TIMEOUT', 'INV-PROXY-001: no answer is asked again');
select cmp_ok(q.due_at, '>=', clock_timestamp() + interval '300 ms', 'INV-PROXY-001: after a while') from proxy.resolution_queue as q where q.outbox_id = pg_temp.id('P-1');
update proxy.resolution_queue set due_at = due_at + interval '1 hour' where outbox_id = pg_temp.id('P-1'); -- that while may be over before this test is
select is(pg_temp.said('r', 'P-2', pg_temp.nobody('NOT_FOUND')), 'VOIDED PROXY_NOT_FOUND', 'INV-PROXY-001: nobody stands for the alias: NOT_FOUND');
select is(pg_temp.said('s', 'P-3', pg_temp.nobody('INVALID')), 'VOIDED PROXY_INVALID', 'INV-PROXY-001: nobody stands for the alias: INVALID');
select is(pg_temp.said('s', 'P-4', pg_temp.nobody('REVOKED')), 'VOIDED PROXY_REVOKED', 'INV-PROXY-001: nobody stands for the alias: REVOKED');
select is(pg_temp.claimed('w'), '', 'INV-PROXY-001: unasked, unanswered, NOT_FOUND, INVALID and REVOKED: nothing is dispatched');
select is(count(*), 0::bigint, 'INV-PROXY-001: no DISPATCHING row either') from outbox.payment_outbox_attempts where state = 'DISPATCHING';
select results_eq($$select kind, facts ->> 'reason_code', next_action <> '' from evidence.cases order by outbox_id$$,
  $$values ('PROXY_UNRESOLVED' collate "C", 'PROXY_NOT_FOUND', true), ('PROXY_UNRESOLVED', 'PROXY_INVALID', true), ('PROXY_UNRESOLVED', 'PROXY_REVOKED', true)$$,
  'INV-PROXY-001: a case each, with the next action');
select is(value_minor || ' ' || item_count, '6000 6', 'INV-PROXY-001: and the usage is given back') from policy.limit_usage;
select throws_ok(format('update outbox.payment_outbox_pending set due_at = clock_timestamp(), resolution_id = %L, resolved_until = %L where outbox_id = pg_temp.id(''P-1'')',
  s.id, s.until), '23514', 'new row for relation "payment_outbox_pending" violates check constraint "pending_alias_is_resolved_before_it_is_due"',
  'INV-PROXY-001: not even its owner makes it due without a resolution')
from (values (null, null), ('11111111-1111-4111-8111-111111111111', null), (null, 'infinity')) as s(id, until);

-- A resolution
select is(pg_temp.said('r', 'P-5'), 'RESOLVED', 'INV-PROXY-001: an alias is resolved');
select is(pg_temp.said('r', 'P-5'), null, 'INV-PROXY-001: once');
select is(r.commitment, core.commitment(array['proxy.proxy_resolutions', r.participant_id, r.resolution_id::text, r.outbox_id::text, r.resolution_no::text, r.proxy_type,
    encode(r.proxy_hash, 'hex'), r.hash_key_id, r.status::text, r.reason_code, r.beneficiary_participant_id, encode(r.beneficiary_commitment, 'hex'), r.source,
    r.source_version, r.from_cache::text, encode(r.response_sha256, 'hex'), core.epoch_us(r.observed_at), core.epoch_us(r.expires_at), r.resolved_by,
    r.lease_token::text, core.epoch_us(r.recorded_at)]), 'INV-EVID-001: the ledger row''s commitment can be recomputed: ' || r.status)
from proxy.proxy_resolutions as r;
select is(r.beneficiary_commitment, sha256(y.salt || convert_to(y.beneficiary, 'UTF8')), 'INV-PROXY-001: it commits to the beneficiary under the parties'' salt')
from proxy.proxy_resolutions as r join outbox.instruction_parties as y using (participant_id, outbox_id) where r.status = 'RESOLVED';
select is(r.expires_at - r.observed_at, interval '1 hour', 'INV-PROXY-001: it lasts as long as the policy says') from proxy.proxy_resolutions as r where r.status = 'RESOLVED';
select is(y.beneficiary, '{"account":"77","name":"Mwila","participant_id":"ZM-BANK-B"}', 'INV-PROXY-001: the beneficiary stands beside the parties')
from outbox.instruction_parties as y where y.outbox_id = pg_temp.id('P-5');
select is(outbox.paid_parties(y.parties, y.beneficiary)::jsonb #> '{creditor}', '{"account": "77", "alias": {"type": "MBNO", "value": "+260971234567"}, "name": "Mwila"}'::jsonb,
  'INV-PROXY-001: the rail sees the resolved account') from outbox.instruction_parties as y where y.outbox_id = pg_temp.id('P-5');
select is(outbox.paid_parties(p.parties, p.beneficiary), null, 'INV-PROXY-001: erased parties are nobody')
from (values (null, '{"account":"1"}'), ('{"creditor":{}}', null)) as p(parties, beneficiary);

-- To the microsecond, under a clock that stands still
savepoint clock;
create temp table stopped as select date_trunc('milliseconds', clock_timestamp()) + interval '10 ms' as at;
grant select on stopped to public;
select set_config('pg_temp_at.now', at::text, true) from stopped;
create or replace function core.now() returns timestamptz language sql stable return current_setting('pg_temp_at.now')::timestamptz;
update outbox.payment_outbox_pending set due_at = at, resolved_until = at - interval '1 microsecond' from stopped where outbox_id = pg_temp.id('P-5');
select pg_temp.remember();
select is(pg_temp.claimed('w'), '', 'INV-PROXY-001: a resolution that expired a microsecond ago is not dispatched on');
update outbox.payment_outbox_pending set resolved_until = at from stopped where outbox_id = pg_temp.id('P-5');
select is(pg_temp.claimed('w'), '', 'INV-PROXY-001: nor one that expires now');
select is((select count(*) from outbox.payment_outbox_attempts where state = 'DISPATCHING'), 0::bigint, 'INV-PROXY-001: and no attempt is written');
select is((select state from pg_temp.state('P-5') as state), 'PENDING', 'INV-PROXY-001: it waits');
savepoint last_microsecond;
update outbox.payment_outbox_pending set resolved_until = at + interval '1 microsecond' from stopped where outbox_id = pg_temp.id('P-5');
select results_eq($$select returned, voided from outbox.tend_resolutions('w', 100)$$, 'values (0, 0)', 'INV-PROXY-001: a microsecond before its end it is not sent back');
select is(pg_temp.claimed('w'), 'P-5 DISPATCH 1', 'INV-PROXY-001: and is dispatched on');
select is(f.resolution_id, r.resolution_id, 'INV-PROXY-001: the lease names the resolution')
from outbox.payment_outbox_in_flight as f join proxy.proxy_resolutions as r using (participant_id, outbox_id);
select is(a.resolution_id || ' ' || encode(a.commitment, 'hex'), r.resolution_id || ' ' || encode(core.commitment(array['outbox.payment_outbox_attempts', a.participant_id,
    a.outbox_id::text, '1', '1', 'DISPATCHING', 'DISPATCH', null, 'w', a.lease_token::text, 'sandbox', null, null, null, null, null, null, core.epoch_us(a.recorded_at),
    r.resolution_id::text]), 'hex'), 'INV-EVID-001: so does the attempt, in its commitment')
from outbox.payment_outbox_attempts as a join proxy.proxy_resolutions as r using (participant_id, outbox_id) where a.state = 'DISPATCHING';
rollback to savepoint last_microsecond;
select results_eq($$select returned, voided from outbox.tend_resolutions('w', 100)$$, 'values (1, 0)', 'INV-PROXY-001: at its end it is sent back to the resolvers');
select is(pg_temp.state('P-5'), 'AWAITING_PROXY_RESOLUTION', 'INV-PROXY-001: and waits for them');
rollback to savepoint clock;

-- Sent back, and the same or another target
create function pg_temp.let_expire(p_instruction_id text) returns void language sql begin atomic
  update outbox.payment_outbox_pending set resolved_until = clock_timestamp() where outbox_id = pg_temp.id(p_instruction_id);
end;
select pg_temp.let_expire('P-5');
select is((select returned from outbox.tend_resolutions('w', 100)), 1, 'INV-PROXY-001: an expired resolution is asked for again');
select is((select returned from outbox.tend_resolutions('w', 100)), 0, 'INV-PROXY-001: once');
select is(pg_temp.asked('r'), 'P-5, P-6, P-7, P-8, P-9', 'INV-PROXY-001: in its old place');
savepoint asked_again;
select is(pg_temp.said('r', 'P-5', '{"beneficiary": "{\"account\":\"78\",\"name\":\"Mwila\"}"}'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: another account than before');
select is(pg_temp.state('P-5'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: another account is never paid');
select is(kind, 'PROXY_TARGET_CHANGED' collate "C", 'INV-PROXY-001: but is a case') from evidence.cases where outbox_id = pg_temp.id('P-5');
select is(pg_temp.claimed('w'), '', 'INV-PROXY-001: nothing is dispatched');
rollback to savepoint asked_again;
select is(pg_temp.said('r', 'P-5', '{"beneficiary": "{\"account\":\"77\",\"name\":\"Banda\"}"}'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: nor another name');
rollback to savepoint asked_again;
select is(pg_temp.said('r', 'P-5', '{"beneficiary": "{\"account\":\"77\"}"}'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: nor a name that is gone');
rollback to savepoint asked_again;
select is(pg_temp.said('r', 'P-5', '{"beneficiary_participant_id": "ZM-RECEIVES"}'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: nor at another provider');
rollback to savepoint asked_again;
select is(pg_temp.said('r', 'P-5', '{"beneficiary": "{ \"name\":\"Mwila\", \"account\":\"7\\u0037\" }"}'), 'RESOLVED', 'INV-PROXY-001: the same target in other words goes on');
select is(pg_temp.claimed('w'), 'P-5 DISPATCH 1', 'INV-PROXY-001: and is dispatched');
select is(f.resolution_id, r.resolution_id, 'INV-PROXY-001: on the new resolution') from outbox.payment_outbox_in_flight as f, proxy.proxy_resolutions as r
where r.outbox_id = pg_temp.id('P-5') and r.resolution_no = 2;
select is(string_agg(concat_ws(' ', t.kind, t.state, t.facts ->> 'resolution_no'), ', ' order by t.happened_at, t.step_no),
  'ATTESTATION ACCEPT, INSTRUCTION AWAITING_PROXY_RESOLUTION, PROXY_RESOLVED RESOLVED 1, PROXY_RESOLVED RESOLVED 2, ATTEMPT DISPATCHING',
  'INV-PROXY-001: the chain stands in the timeline: attestation, resolutions, attempt') from evidence.instruction_timeline as t where t.instruction_id = 'P-5';
select is(t.facts ->> 'resolution_id', r.resolution_id::text, 'INV-PROXY-001: the attempt names its resolution there') from evidence.instruction_timeline as t, proxy.proxy_resolutions as r
where t.instruction_id = 'P-5' and t.kind = 'ATTEMPT' and r.outbox_id = pg_temp.id('P-5') and r.resolution_no = 2;

-- A retry rests on the same resolution while that lasts
select is(pg_temp.answered('w', 'P-5', 'SUBMIT', 'UNAVAILABLE'), 'RETRYABLE RAIL_NOT_SENT', 'INV-PROXY-001: set-up retry');
select pg_temp.let_expire('P-5');
update outbox.payment_outbox_pending set created_at = created_at - interval '1 hour', due_at = clock_timestamp() where outbox_id = pg_temp.id('P-5');
select is(pg_temp.claimed('w'), '', 'INV-PROXY-001: a retry does not rest on an expired resolution');
select is((select returned from outbox.tend_resolutions('w', 100)), 1, 'INV-PROXY-001: it is asked for again');
select is(pg_temp.asked('r'), 'P-5', 'INV-PROXY-001: by a resolver');

-- A late ACCEPTED while it waits: a person or an enquiry ends it, never a void
savepoint late;
select is(pg_temp.state('P-5'), 'AWAITING_PROXY_RESOLUTION RAIL_NOT_SENT', 'INV-PROXY-001: set-up late answer');
select outbox.report_late_answers(array[jsonb_populate_record(null::outbox.result, jsonb_build_object('participant_id', 'ZM-BANK-A', 'outbox_id', pg_temp.id('P-5'),
  'answer_class', 'ACCEPTED', 'rail', 'sandbox', 'rail_reference', 'R-P-5'))]);
select is(pg_temp.state('P-5'), 'UNCERTAIN RAIL_NOT_SENT', 'INV-PROXY-001: a late ACCEPTED makes it an enquiry');
select isnt(pg_temp.said('r', 'P-5', '{"beneficiary": "{\"account\":\"78\"}"}'), null, 'INV-PROXY-001: whoever the alias now stands for');
select is(pg_temp.state('P-5'), 'UNCERTAIN RAIL_NOT_SENT', 'INV-PROXY-001: it is not voided');
select is(y.beneficiary, '{"account":"77","name":"Mwila","participant_id":"ZM-BANK-B"}', 'INV-PROXY-001: nor is whom it was sent to forgotten')
from outbox.instruction_parties as y where y.outbox_id = pg_temp.id('P-5');
select is(pg_temp.claimed('w'), 'P-5 ENQUIRE 1', 'INV-PROXY-001: it is enquired, whatever its resolution');
rollback to savepoint late;
select outbox.report_late_answers(array[jsonb_populate_record(null::outbox.result, jsonb_build_object('participant_id', 'ZM-BANK-A', 'outbox_id', pg_temp.id('P-5'),
  'answer_class', 'ACCEPTED', 'rail', 'sandbox', 'rail_reference', 'R-P-5'))]);
update proxy.resolution_queue set deadline_at = clock_timestamp(), lease_expires_at = clock_timestamp(), claimed_at = claimed_at - interval '1 hour' where outbox_id = pg_temp.id('P-5');
select results_eq($$select returned, voided from outbox.tend_resolutions('w', 100)$$, 'values (0, 0)', 'INV-PROXY-001: nor does the end of the patience void it');
select is(pg_temp.state('P-5'), 'UNCERTAIN RAIL_NOT_SENT', 'INV-PROXY-001: it stays an enquiry');
select is(count(*), 0::bigint, 'INV-PROXY-001: and nobody is asked about its alias any more') from proxy.resolution_queue where outbox_id = pg_temp.id('P-5');
rollback to savepoint late;
select is(pg_temp.said('r', 'P-5', '{"beneficiary": "{\"account\":\"78\",\"name\":\"Mwila\"}"}'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: a retry is not sent to somebody else');
select is(pg_temp.state('P-5'), 'VOIDED PROXY_TARGET_CHANGED', 'INV-PROXY-001: it ends');

-- Patience ends
savepoint patience;
update proxy.resolution_queue set deadline_at = clock_timestamp() where outbox_id in (pg_temp.id('P-6'), pg_temp.id('P-1'));
select is((select voided from outbox.tend_resolutions('w', 100)), 1, 'INV-PROXY-001: who waited too long is voided, but not under a resolver''s hands');
select is(pg_temp.state('P-1'), 'VOIDED PROXY_REGISTRY_TIMEOUT', 'INV-PROXY-001: with the reason of its last answer');
select is(pg_temp.said('r', 'P-6'), 'RESOLVED', 'INV-PROXY-001: an answer just in time counts');
select is(c.kind || ' ' || (c.facts ->> 'waited'), 'PROXY_UNRESOLVED pending_max_ms', 'INV-PROXY-001: and a case') from evidence.cases as c where c.outbox_id = pg_temp.id('P-1');
select is(array_agg(t.kind || coalesce(' ' || t.state, '') order by t.happened_at, t.step_no), '{ATTESTATION ACCEPT,INSTRUCTION AWAITING_PROXY_RESOLUTION,PROXY_ANSWER TEMP_UNAVAILABLE,ATTEMPT VOIDED,CASE_OPENED PROXY_UNRESOLVED}'::text[],
  'INV-PROXY-001: attested in the timeline') from evidence.instruction_timeline as t where t.instruction_id = 'P-1';
select is(value_minor || ' ' || item_count, '4000 4', 'INV-PROXY-001: usage given back') from policy.limit_usage;
select is(pg_temp.asked('r'), '', 'INV-PROXY-001: nobody is asked about it any more');
rollback to savepoint patience;

-- Whom the payer named, and who may receive
create temp table named (instruction_id text, changes jsonb, creditor jsonb, answer jsonb, expected text);
insert into named values
  ('N-1', '{"creditor_participant_id": "ZM-BANK-B"}', '{}', '{}', 'RESOLVED'),
  ('N-2', '{"creditor_participant_id": "ZM-RECEIVES"}', '{}', '{}', 'VOIDED PROXY_TARGET_CHANGED'),
  ('N-3', '{}', '{"account": "77"}', '{}', 'RESOLVED'),
  ('N-4', '{}', '{"account": "78"}', '{}', 'VOIDED PROXY_TARGET_CHANGED'),
  ('N-5', '{}', '{"account": "NOTPROVIDED"}', '{}', 'RESOLVED'),
  ('N-6', '{}', '{"account": ""}', '{}', 'VOIDED PROXY_TARGET_CHANGED'),
  ('N-7', '{}', '{}', '{"beneficiary_participant_id": "ZM-RECEIVES"}', 'RESOLVED'),
  ('N-8', '{}', '{}', '{"beneficiary_participant_id": "ZM-SENDS"}', 'VOIDED PROXY_BENEFICIARY_NOT_ALLOWED'),
  ('N-9', '{}', '{}', '{"beneficiary_participant_id": "ZM-SUSPENDED"}', 'VOIDED PROXY_BENEFICIARY_NOT_ALLOWED'),
  ('N-10', '{}', '{}', '{"beneficiary_participant_id": "ZM-NOBODY"}', 'VOIDED PROXY_BENEFICIARY_NOT_ALLOWED');
select is(pg_temp.aliased(n.instruction_id, n.changes, '+260971234567', n.creditor), 'ACCEPT', 'INV-PROXY-001: set-up ' || n.instruction_id) from named as n;
select isnt(pg_temp.asked('r'), '', 'INV-PROXY-001: set-up claim');
select is(pg_temp.said('r', n.instruction_id, n.answer), n.expected, 'INV-PROXY-001: ' || n.expected || ': ' || n.changes::text || n.creditor::text || n.answer::text) from named as n;
-- A halt of the receiver that only the resolution names
select policy.halt(p_scope => 'PARTICIPANT', p_rail => null, p_participant_id => 'ZM-BANK-B', p_direction => 'RECEIVE', p_operator => 'op', p_reason => 'test');
select is(pg_temp.claimed('w'), 'N-7 DISPATCH 1', 'INV-PROXY-001: a halted receiver is not paid, though only the resolution names it');
select policy.lift_halt(h.halt_id, 'op', 'over') from policy.list_halts() as h;
update outbox.claim_gate set cursor_due_at = '-infinity';
select is(pg_temp.claimed('w'), 'N-1 DISPATCH 1, N-3 DISPATCH 1, N-5 DISPATCH 1', 'INV-PROXY-001: and is when the halt is lifted');

-- The cache
select results_eq($$select status::text, source, observed_at < clock_timestamp(), expires_at > clock_timestamp() from proxy.proxy_resolution_current$$,
  $$values ('RESOLVED', 'sandbox' collate "C", true, true)$$, 'INV-PROXY-001: the cache has one row an alias');
create function pg_temp.cached(p_participant_id text, p_value text default '+260971234567', p_type text default 'MBNO') returns text language sql begin atomic
  select string_agg(encode(l.sealed_beneficiary, 'hex') || ' ' || l.beneficiary_participant_id, ', ')
  from proxy.lookup(array[row(p_participant_id, p_type, pg_temp.keyed(p_value))::proxy.alias_key]) as l;
end;
select is(pg_temp.cached('ZM-BANK-A'), (select encode(c.sealed_beneficiary, 'hex') || ' ' || c.beneficiary_participant_id from proxy.proxy_resolution_current as c), 'INV-PROXY-001: a cached answer is found');
select is(pg_temp.cached('ZM-BANK-B'), null, 'INV-PROXY-001: by its participant only');
select is(pg_temp.cached('ZM-BANK-A', p_type => 'TELE'), null, 'INV-PROXY-001: under its type only');
select is(pg_temp.cached('ZM-BANK-A', 'another'), null, 'INV-PROXY-001: under its hash only');
select is_empty($$select * from proxy.lookup(array[null, row(null, null, null)]::proxy.alias_key[])$$, 'INV-PROXY-001: nulls find nothing');
select throws_ok($$update proxy.proxy_resolution_current set $$ || s.change, 'SX301', null, 'INV-PROXY-001: the cache never moves backwards: ' || s.change)
from (values ('observed_at = observed_at - interval ''1 microsecond'''), ('proxy_hash = sha256(''x'')'), ('participant_id = ''ZM-BANK-B'''), ('proxy_type = ''TELE''')) as s(change);
select lives_ok($$update proxy.proxy_resolution_current set observed_at = observed_at$$, 'INV-PROXY-001: standing still is no step back');
set local session_replication_role = replica;
select throws_ok($$update proxy.proxy_resolution_current set observed_at = observed_at - interval '1 s'$$, 'SX301', null, 'INV-PROXY-001: in replica mode neither');
set local session_replication_role = origin;

select is(pg_temp.aliased('C-' || n), 'ACCEPT', 'INV-PROXY-001: set-up C-' || n) from generate_series(1, 8) as n;
select is(pg_temp.asked('r', 2), 'C-1, C-2', 'INV-PROXY-001: set-up claim C-1');
create function pg_temp.from_cache(p_value text default '+260971234567') returns jsonb language sql return
  jsonb_build_object('cached_hash', pg_temp.keyed(p_value), 'response_sha256', sha256('\x5ea1'), 'source_version', null);
select is(pg_temp.said('r', 'C-1', pg_temp.from_cache() || '{"source": "lies", "source_version": "9", "latency_us": null}'), 'RESOLVED', 'INV-PROXY-001: a cached answer resolves');
select results_eq($$select r.from_cache, r.source, r.source_version, r.response_sha256, r.observed_at, r.expires_at from proxy.proxy_resolutions as r where r.outbox_id = pg_temp.id('C-1')$$,
  $$select true, c.source, c.source_version, c.response_sha256, c.observed_at, c.expires_at from proxy.proxy_resolution_current as c$$, 'INV-PROXY-001: what the cache says of it counts');
select is(pg_temp.said('r', 'C-2', pg_temp.from_cache() || jsonb_build_object('proxy_hash', pg_temp.keyed('new'), 'hash_key_id', 'proxy-hash:v2', 'sealed_beneficiary', '\xbeef')),
  'RESOLVED', 'INV-PROXY-001: a cached answer under the previous key resolves');
select results_eq($$select c.hash_key_id, c.sealed_beneficiary, c.source, c.response_sha256, c.observed_at, c.expires_at from proxy.proxy_resolution_current as c where c.proxy_hash = pg_temp.keyed('new')$$,
  $$select 'proxy-hash:v2' collate "C", '\xbeef'::bytea, c.source, c.response_sha256, c.observed_at, c.expires_at from proxy.proxy_resolution_current as c where c.proxy_hash = pg_temp.keyed('+260971234567')$$,
  'INV-PROXY-001: re-keyed, it keeps when and where it was observed');
select is(pg_temp.asked('r', 2), 'C-3, C-4', 'INV-PROXY-001: set-up claim C-3');
select is(pg_temp.said('r', 'C-3', pg_temp.from_cache('gone')), 'STALE', 'INV-PROXY-001: an answer from a cache row that is not there is asked again');
select is(pg_temp.said('r', 'C-4', pg_temp.from_cache() || '{"beneficiary_participant_id": "ZM-RECEIVES"}'), 'STALE', 'INV-PROXY-001: so is one that the row does not say');
select is(count(*), 0::bigint, 'INV-PROXY-001: neither is recorded') from proxy.proxy_resolutions where outbox_id in (pg_temp.id('C-3'), pg_temp.id('C-4'));
select is(pg_temp.asked('r', 2), 'C-3, C-4', 'INV-PROXY-001: both are due at once, in their place');
select is(pg_temp.said('r', 'C-3', pg_temp.nobody('REVOKED')), 'VOIDED PROXY_REVOKED', 'INV-PROXY-001: a fresh REVOKED');
select is(pg_temp.cached('ZM-BANK-A'), null, 'INV-PROXY-001: takes the answer out of the cache');
select is(pg_temp.said('r', 'C-4', pg_temp.from_cache()), 'STALE', 'INV-PROXY-001: who had read it before asks again');
select is(pg_temp.asked('r', 3), 'C-4, C-5, C-6', 'INV-PROXY-001: set-up claim C-4');
-- Of two answers that one claim asked for at the same moment the refusal counts, in either order
select is(pg_temp.said('r', 'C-4'), 'RESOLVED', 'INV-PROXY-001: newer, and resolved again');
select isnt(pg_temp.cached('ZM-BANK-A'), null, 'INV-PROXY-001: is cached');
select is(pg_temp.said('r', 'C-5', pg_temp.nobody('REVOKED')), 'VOIDED PROXY_REVOKED', 'INV-PROXY-001: REVOKED at the same moment');
select is(pg_temp.cached('ZM-BANK-A'), null, 'INV-PROXY-001: counts more');
select is(pg_temp.said('r', 'C-6'), 'RESOLVED', 'INV-PROXY-001: RESOLVED at the same moment');
select is(pg_temp.cached('ZM-BANK-A'), null, 'INV-PROXY-001: does not bring it back');
select is(proxy.forget_expired(100), 0, 'INV-PROXY-001: what just expired is kept, lest an older answer comes late');
update proxy.proxy_resolution_current set expires_at = clock_timestamp() - interval '15 minutes' where status = 'REVOKED';
insert into proxy.miss_counts values ('ZM-BANK-A', date_trunc('hour', clock_timestamp()) - interval '2 days', 5);
select is(proxy.forget_expired(100), 1, 'INV-PROXY-001: what expired long ago is forgotten');
select is(count(*), 1::bigint, 'INV-PROXY-001: so are the misses of past days') from proxy.miss_counts;

-- Malformed answers
select is(pg_temp.asked('r'), 'C-7, C-8', 'INV-PROXY-001: set-up claim C-7');
select pg_temp.remember();
select throws_ok(format('select pg_temp.said(%L, %L, %L)', 'r', 'C-7', jsonb_build_object('proxy_hash', sha256(convert_to(h.text, 'UTF8')))), 'SX403', null, 'INV-PROXY-001: a bare hash: ' || h.text)
from (values ('+260971234567'), ('260971234567'), ('proxy:MBNO:+260971234567')) as h(text);
select throws_ok(format('select pg_temp.said(%L, %L, %L)', 'r', 'C-7', m.member), 'SV301', null, 'INV-PROXY-001: the resolver''s own members are whole: ' || m.member::text)
from (values ('{"proxy_hash": null}'::jsonb), ('{"proxy_hash": "\\x00"}'), (jsonb_build_object('proxy_hash', '\x' || repeat('00', 33))), ('{"hash_key_id": null}'), ('{"hash_key_id": ""}'),
  ('{"hash_key_id": "sha256"}'), ('{"hash_key_id": "proxy-hash:v"}'), ('{"hash_key_id": "proxy-hash:v1\n"}'), ('{"source": null}'), ('{"source": ""}'), ('{"source": "A Registry"}')) as m(member);
select is(pg_temp.books(), books, 'INV-PROXY-001: and nothing was written') from before;
select throws_ok(format($$insert into proxy.proxy_resolutions (participant_id, resolution_id, outbox_id, resolution_no, proxy_type, proxy_hash, hash_key_id, status, reason_code, source,
    from_cache, observed_at, resolved_by, lease_token, recorded_at, commitment)
  values ('ZM-BANK-A', uuidv7(), uuidv7(), 1, 'MBNO', %L, %L, 'TEMP_UNAVAILABLE', 'PROXY_REGISTRY_TIMEOUT', 's', false, now(), 'r', uuidv7(), now(), sha256(''))$$, h.hash, h.key),
  '23514', h.message, 'INV-PROXY-001: the ledger takes keyed hashes only: ' || h.key)
from (select v.*, 'new row for relation "proxy_resolutions' || to_char(now(), '_YYYYMM') || '" violates check constraint "resolution_alias_is_a_keyed_hash"' as message
  from (values (sha256('x'), 'sha256'), (sha256('x'), ''), ('\x00'::bytea, 'proxy-hash:v1')) as v(hash, key)) as h;
savepoint unusable;
create temp table unusable (changes jsonb);
insert into unusable values ('{"status": null}'), ('{"status": "BANANA"}'), ('{"reason_code": "PROXY_NOT_FOUND"}'), ('{"beneficiary_participant_id": null}'),
  ('{"beneficiary_participant_id": "zm bank"}'), ('{"beneficiary": null}'), ('{"beneficiary": "{"}'), ('{"beneficiary": "[]"}'), ('{"beneficiary": "null"}'), ('{"beneficiary": "{}"}'),
  ('{"beneficiary": "{\"account\":1}"}'), ('{"beneficiary": "{\"account\":\"\"}"}'), ('{"beneficiary": "{\"account\":null}"}'), ('{"beneficiary": "{\"account\":\"1\",\"name\":2}"}'),
  ('{"beneficiary": "{\"account\":\"1\",\"alias\":{\"value\":\"x\"}}"}'), ('{"beneficiary": "{\"account\":\"1\",\"account\":\"2\"}"}'),
  ('{"beneficiary": "{\"account\":\"\\u0000\"}"}'), ('{"beneficiary": "{\"account\":\"\\ud800\"}"}'), ('{"beneficiary": "{\"account\":\"1\",\"n\":1e999999}"}'),
  (jsonb_build_object('beneficiary', '{"account":"1","name":"' || repeat('ü', 1100) || '"}')), (jsonb_build_object('beneficiary', '{"account":"' || repeat('1', 255) || '"}')),
  (jsonb_build_object('beneficiary', '{"account":"1","name":' || repeat('[', 1000) || repeat(']', 1000) || '}')),
  ('{"sealed_beneficiary": null}'), ('{"sealed_beneficiary": "\\x"}'), (jsonb_build_object('sealed_beneficiary', '\x' || repeat('00', 4097))),
  ('{"response_sha256": null}'), ('{"response_sha256": "\\x00"}'),
  (pg_temp.nobody('NOT_FOUND') || '{"reason_code": null}'), (pg_temp.nobody('NOT_FOUND') || '{"reason_code": "UNREGISTERED"}'), (pg_temp.nobody('NOT_FOUND') || '{"response_sha256": null}'),
  (pg_temp.nobody('REVOKED') || '{"reason_code": "HALTED_GLOBAL"}'), (pg_temp.nobody('TEMP_UNAVAILABLE') || '{"reason_code": null}'),
  (pg_temp.nobody('TEMP_UNAVAILABLE') || '{"reason_code": "PROXY_NOT_FOUND"}'), (pg_temp.nobody('TEMP_UNAVAILABLE') || '{"reason_code": ""}');
create function pg_temp.with_a_mate(p_changes jsonb) returns text language plpgsql as $$
declare
  v_said text;
begin
  begin
    select string_agg(concat_ws(' ', r.outcome, r.reason_code), ', ' order by r.outbox_id) into v_said
    from outbox.record_resolutions(p_worker => 'r', p_answers => array[pg_temp.alias_answer('C-7', p_changes), pg_temp.alias_answer('C-8')]) as r;
    raise exception using errcode = 'ZZ000';
  exception when sqlstate 'ZZ000' then
    return v_said;
  end;
end
$$;
select is(pg_temp.with_a_mate(u.changes), 'RETRY PROXY_ANSWER_UNUSABLE, RESOLVED', 'INV-PROXY-001: unusable alone, and its mate goes on: ' || left(u.changes::text, 90)) from unusable as u;
select is(pg_temp.with_a_mate(m.member), 'RESOLVED, RESOLVED', 'INV-PROXY-001: not needed, or cut: ' || left(m.member::text, 60))
from (values ('{"source_version": null}'::jsonb), ('{"source_version": "\u0001"}'), (jsonb_build_object('source_version', repeat('v', 65))), ('{"latency_us": null}')) as m(member);
select is(pg_temp.with_a_mate('{"cached_hash": "\\x00"}'), 'STALE, RESOLVED', 'INV-PROXY-001: a hash nobody has cached');
select is(pg_temp.books(), books, 'INV-PROXY-001: what was tried left nothing') from before;
-- One instruction twice in a batch
select is(string_agg(concat_ws(' ', r.outcome, r.reason_code), ', ' order by r.outbox_id), 'RESOLVED, VOIDED PROXY_NOT_FOUND', 'INV-PROXY-001: the first answer to an instruction counts, and each mate has its own')
from outbox.record_resolutions('r', array[pg_temp.alias_answer('C-7'), pg_temp.alias_answer('C-7', '{"beneficiary": "{\"account\":\"666\"}"}'),
  pg_temp.alias_answer('C-7', pg_temp.nobody('REVOKED')), pg_temp.alias_answer('C-8', pg_temp.nobody())]) as r;
select is(y.beneficiary, '{"account":"77","name":"Mwila","participant_id":"ZM-BANK-B"}', 'INV-PROXY-001: the beneficiary is the one that the ledger commits to')
from outbox.instruction_parties as y join proxy.proxy_resolutions as r using (participant_id, outbox_id)
where y.outbox_id = pg_temp.id('C-7') and r.beneficiary_commitment = sha256(y.salt || convert_to(y.beneficiary, 'UTF8'));
rollback to savepoint unusable;
select is(string_agg(r.outcome, ', '), 'RESOLVED, RESOLVED', 'INV-PROXY-001: an array that begins elsewhere is the same batch')
from outbox.record_resolutions('r', ('[0:1]=' || array[pg_temp.alias_answer('C-7'), pg_temp.alias_answer('C-8')]::text)::outbox.alias_answer[]) as r;
rollback to savepoint unusable;
update proxy.resolution_queue set proxy_type = 'TELE' where outbox_id = pg_temp.id('C-7');
select is(pg_temp.said('r', 'C-7'), null, 'INV-PROXY-001: an answer about another type of alias than was leased is not taken');
rollback to savepoint unusable;

-- Guessing is stopped
create function pg_temp.guesses(p_most integer) returns void language sql begin atomic
  select pg_temp.activate(jsonb_set(pg_temp.policy_document(2), '{participants}', (
    select jsonb_agg(p || case when p ->> 'participant_id' = 'ZM-BANK-A' then jsonb_build_object('proxy', jsonb_build_object('mode', 'DEFER', 'ttl_ms', 1000,
      'pending_max_ms', 60000, 'sync_budget_ms', 100, 'misses_per_hour_max', p_most)) else '{}' end)
    from jsonb_array_elements(pg_temp.policy_document(2) -> 'participants') as p)));
end;
select pg_temp.guesses(misses + 1) from proxy.miss_counts;
select is(proxy.list_throttled(), '{}'::text[], 'INV-PROXY-001: one miss is left');
select is(pg_temp.aliased('G-1', '{"participant_id": "ZM-BANK-B"}'), 'ACCEPT', 'INV-PROXY-001: set-up another participant');
select is(pg_temp.said('r', 'C-7', pg_temp.nobody()), 'VOIDED PROXY_NOT_FOUND', 'INV-PROXY-001: the last miss');
select is(proxy.list_throttled(), '{ZM-BANK-A}'::text[], 'INV-PROXY-001: enough misses throttle the participant');
set local timezone = 'Asia/Kolkata';
select is(proxy.list_throttled(), '{ZM-BANK-A}'::text[], 'INV-PROXY-001: also in a session whose hours begin elsewhere');
set local timezone = 'UTC';
select is(proxy.list_throttled('{ZM-BANK-B}'), '{}'::text[], 'INV-PROXY-001: and no other');
select pg_temp.remember();
select is(pg_temp.aliased('G-2'), 'REJECT PROXY_THROTTLED', 'INV-PROXY-001: its aliases are refused');
select is(pg_temp.books(), books, 'INV-PROXY-001: and not recorded') from before;
select is(pg_temp.decided('G-3'), 'ACCEPT', 'INV-PROXY-001: its accounts are not refused');
select is(proxy.release_resolutions('r', pg_temp.leases('{C-8}')), 1, 'INV-PROXY-001: set-up release');
select is(count(*) || ' ' || min(c.participant_id), '1 ZM-BANK-B', 'INV-PROXY-001: its waiting aliases are held back, another participant''s are not')
from proxy.claim_resolutions('r', 100) as c;
update proxy.resolution_queue set deadline_at = clock_timestamp() where outbox_id = pg_temp.id('C-8');
select is((select voided from outbox.tend_resolutions('w', 100)), 1, 'INV-PROXY-001: until their patience ends');
select is(pg_temp.state('C-8'), 'VOIDED PROXY_THROTTLED', 'INV-PROXY-001: with the reason');
update proxy.miss_counts set hour = hour - interval '1 hour';
select is(pg_temp.aliased('G-2'), 'ACCEPT', 'INV-PROXY-001: the next hour begins anew');
select lives_ok($$select proxy.count_misses('{ZM-BANK-A,ZM-BANK-A,ZM-BANK-B}')$$, 'INV-PROXY-001: misses are counted');
select results_eq($$select m.participant_id, m.misses from proxy.miss_counts as m where m.hour = date_trunc('hour', clock_timestamp()) order by 1$$,
  $$values ('ZM-BANK-A' collate "C", 2), ('ZM-BANK-B', 1)$$, 'INV-PROXY-001: as often as they are named');

-- Erasure
select throws_ok($$select outbox.erase_parties('ZM-BANK-A', 'P-5', 'op', 'DATA_SUBJECT_REQUEST')$$, 'SC401', null, 'INV-PROXY-001: nobody is erased from an open case');

-- Append-only, and who may do what
insert into core.reason_taxonomy values (1, 'PROXY_NOT_FOUND', 'BE23', 'AccountProxyInvalid', true, false, 'correct it', 'test', 'tester', now());
select throws_ok(s.statement, 'SX001', null, 'INV-PROXY-001: refused: ' || s.statement) from (values
  ('update core.reason_taxonomy set terminal = false'), ('delete from core.reason_taxonomy'), ('truncate core.reason_taxonomy'),
  ('update proxy.proxy_resolutions set latency_us = 1'), ('delete from proxy.proxy_resolutions'), ('truncate proxy.proxy_resolutions'),
  ('truncate proxy.proxy_resolutions' || to_char(now(), '_YYYYMM')), ('update policy.participant_proxies set ttl_ms = 1001'), ('delete from policy.participant_proxies'),
  ('truncate policy.participant_proxies')) as s(statement);
create function pg_temp.not_refused_to(p_statement text) returns text language plpgsql as $$
declare
  v_role text;
  v_refused text := '';
begin
  foreach v_role in array array['symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_maintainer', 'symphony_operator', 'symphony_policy_admin',
    'symphony_auditor', 'symphony_router', 'symphony_sealer', 'symphony_status_reader', 'symphony_evidence_reader'] loop
    begin
      execute format('set local role %I', v_role);
      execute p_statement;
      raise exception using errcode = 'ZZ000';
    exception
      when insufficient_privilege then v_refused := v_refused || v_role || ' ';
      when others then null;
    end;
    reset role;
  end loop;
  return (select coalesce(string_agg(r, ' ' order by r), '') from unnest(array['symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_maintainer', 'symphony_operator',
    'symphony_policy_admin', 'symphony_auditor', 'symphony_router', 'symphony_sealer', 'symphony_status_reader', 'symphony_evidence_reader']) as r where position(r || ' ' in v_refused) = 0);
end
$$;
select is(pg_temp.not_refused_to(s.statement), s.allowed, 'INV-PROXY-001: 42501 for all but ' || s.allowed || ': ' || s.statement) from (values
  ($$select * from proxy.claim_resolutions('x', 1)$$, 'symphony_resolver'), ($$select proxy.release_resolutions('x', '{}')$$, 'symphony_resolver'),
  ($$select * from proxy.lookup('{}')$$, 'symphony_resolver'), ($$select * from outbox.read_leased_aliases('x', '{}')$$, 'symphony_resolver'),
  ($$select * from outbox.record_resolutions('x', array[null]::outbox.alias_answer[])$$, 'symphony_resolver'),
  ($$select * from outbox.tend_resolutions('x', 1)$$, 'symphony_maintainer symphony_resolver'), ($$select proxy.forget_expired(1)$$, 'symphony_maintainer'),
  ($$select * from policy.list_proxy_rules('{}')$$, 'symphony_ingest'), ($$select * from ingress.accept_resolved('{}', null, '{}')$$, 'symphony_ingest'),
  ($$select * from ingress.accept('{}')$$, 'symphony_ingest'), ($$select core.publish_reason_taxonomy('{}', 'x')$$, 'symphony_policy_admin'),
  ($$select proxy.await_resolutions('{}')$$, ''), ($$select proxy.count_misses('{}')$$, ''), ($$select proxy.list_throttled()$$, ''), ($$select * from proxy.take_overdue(1)$$, ''),
  ($$select * from proxy.list_held('x', '{}', '{}', '{}')$$, ''), ($$select * from proxy.record_proxy_resolutions('x', '{}')$$, ''), ($$select proxy.note_answers('{}', '{}')$$, ''),
  ($$select proxy.wait_before_next(1)$$, ''), ($$select proxy.ensure_partitions('proxy_resolutions', '2031-01-01')$$, ''), ($$select outbox.await_aliases('{}', '{}')$$, ''),
  ($$select * from outbox.void_unresolved('x', '{}')$$, ''), ($$select * from outbox.list_alias_answers('{}')$$, ''), ($$select outbox.paid_parties('{}', '{}')$$, ''),
  ($$select outbox.alias_target_reason('{}', null, null, '{}', 'x', true)$$, ''), ($$select outbox.is_beneficiary('{}')$$, ''), ($$select policy.list_receivers('{}')$$, ''),
  ('select * from proxy.proxy_resolutions', ''), ('select * from proxy.proxy_resolution_current', ''), ('select * from proxy.resolution_queue', ''), ('select * from proxy.miss_counts', ''),
  ('select * from policy.participant_proxies', ''), ('select * from core.reason_taxonomy', ''), ('select * from outbox.instruction_parties', ''),
  ('select * from evidence.proxy_resolutions', 'symphony_auditor'), ('select * from evidence.reason_taxonomy', 'symphony_auditor symphony_operator')) as s(statement, allowed);
select results_eq($$select v.status, v.may_be_believed, v.source, v.source_version from evidence.proxy_resolutions as v where v.outbox_id = pg_temp.id('P-5') and v.resolution_no = 1$$,
  $$values ('RESOLVED', true, 'sandbox' collate "C", 'sandbox-1' collate "C")$$, 'INV-PROXY-001: the auditor sees source, version and freshness');
select is(proxy.wait_before_next(n) between interval '500 ms' * least(60, 2 ^ least(n, 6)) and interval '1 s' * least(60, 2 ^ least(n, 6)), true, 'INV-PROXY-001: back-off after ' || n)
from unnest(array[0, 1, 5, 6, 100, 2147483647]) as n;

select * from finish();
rollback;
