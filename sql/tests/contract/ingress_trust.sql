-- ingress: who is believed. Registry, revocations, proofs that are used once, attested reads, counted refusals.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

create function pg_temp.sha(p_of text) returns bytea language sql return sha256(convert_to(p_of, 'UTF8'));
create function pg_temp.hex(p_of text) returns text language sql return '\x' || encode(pg_temp.sha(p_of), 'hex');
create function pg_temp.now_s() returns bigint language sql return extract(epoch from clock_timestamp())::bigint;
-- An item as an authenticated ingress sends it, and its proof; p_changes replaces members.
create function pg_temp.proven(p_id text, p_changes jsonb default '{}') returns ingress.item language sql return
  pg_temp.item(p_id, jsonb_build_object('client_id', 'client-a', 'cert_sha256', pg_temp.hex('cert-a'), 'token_iss', 'https://issuer.example',
    'token_aud', 'symphony', 'token_kid', 'k1', 'token_jti_sha256', pg_temp.hex('jti ' || p_id), 'pop_mode', 'MTLS_DPOP',
    'signature_key_id', 'key-a', 'signature_alg', 'ed25519', 'correlation_id', uuidv7()) || p_changes);
create function pg_temp.proof(p_id text, p_changes jsonb default '{}') returns ingress.proof language sql return
  jsonb_populate_record(null::ingress.proof, jsonb_build_object('token_exp', pg_temp.now_s() + 300, 'dpop_jkt', pg_temp.hex('jkt'),
    'dpop_jti_sha256', pg_temp.hex('proof ' || p_id), 'dpop_iat', pg_temp.now_s(), 'signature_created', pg_temp.now_s()) || p_changes);
create function pg_temp.proves(p_id text, p_item jsonb default '{}', p_proof jsonb default '{}') returns text language sql begin atomic
  select concat_ws(' ', a.decision, a.reason_code)
  from ingress.accept_proven(p_items => array[pg_temp.proven(p_id, p_item)], p_proofs => array[pg_temp.proof(p_id, p_proof)]) as a;
end;
create function pg_temp.read_list(p_number integer, p_serials text[] default '{}', p_source text default 'CRL', p_issuer text default 'ca') returns integer
language sql begin atomic
  select ingress.record_revocation_list(p_source => p_source, p_issuer_sha256 => pg_temp.sha(p_issuer), p_list_number => p_number,
    p_this_update => clock_timestamp() - interval '1 minute', p_next_update => clock_timestamp() + interval '1 hour', p_revoked_serials => p_serials);
end;
create function pg_temp.cert(p_name text, p_client text default 'client-a', p_serial text default null, p_until interval default '1 day') returns boolean
language sql begin atomic
  select ingress.register_client_cert(p_client_id => p_client, p_cert_sha256 => pg_temp.sha(p_name), p_issuer_sha256 => pg_temp.sha('ca'),
    p_serial => coalesce(p_serial, encode(substr(pg_temp.sha(p_name), 1, 8), 'hex')), p_not_before => clock_timestamp() - interval '2 days',
    p_not_after => clock_timestamp() + p_until, p_operator => 'op', p_reason => 'test');
end;
create function pg_temp.key(p_id text, p_client text default 'client-a', p_alg text default 'ed25519', p_until interval default null) returns boolean
language sql begin atomic
  select ingress.register_signature_key(p_key_id => p_id, p_client_id => p_client, p_alg => p_alg,
    p_public_jwk => case when p_alg <> 'hmac-sha256' then '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}' end, p_active_from => '2026-01-01T00:00:00Z',
    p_active_until => clock_timestamp() + p_until, p_operator => 'op', p_reason => 'test');
end;

-- Registration
select ok(ingress.register_client('client-a', 'ZM-BANK-A', 'op', 'onboarding'), 'INV-TRUST-001: a client is registered for a participant');
select ok(not ingress.register_client('client-a', 'ZM-BANK-A', 'op', 'again'), 'INV-TRUST-001: again is no change');
select ok(ingress.register_client('client-b', 'ZM-BANK-B', 'op', 'onboarding'), 'INV-TRUST-001: another client');
select throws_ok($$select ingress.register_client('client-a', 'ZM-BANK-B', 'op', 'takeover')$$, 'SC501', null, 'INV-TRUST-001: a client stays its participant''s');
select throws_ok($$select ingress.register_client('client c', 'ZM-BANK-B', 'op', 'x')$$, 'SV502', null, 'INV-TRUST-001: a client id has a form');
select throws_ok($$select ingress.register_client('client-c', 'ZM-BANK-B', ' ', 'x')$$, 'SV502', null, 'INV-TRUST-001: an operator is named');
select throws_ok($$select ingress.register_client(null, 'ZM-BANK-B', 'op', 'x')$$, 'SV502', null, 'INV-TRUST-001: a client is named');
select is(count(*), 2::bigint, 'INV-TRUST-001: what was refused left nothing') from ingress.clients;
select ok(pg_temp.cert('cert-a'), 'INV-TRUST-001: a certificate is registered for a client');
select ok(not pg_temp.cert('cert-a'), 'INV-TRUST-001: again is no change');
select ok(pg_temp.cert('cert-b', 'client-b'), 'INV-TRUST-001: another client''s certificate');
select throws_ok($$select pg_temp.cert('cert-a', 'client-b')$$, 'SC501', null, 'INV-TRUST-001: a certificate stays its client''s');
select throws_ok($$select pg_temp.cert('cert-c', 'client-a', encode(substr(pg_temp.sha('cert-a'), 1, 8), 'hex'))$$, 'SC501', null,
  'INV-TRUST-001: an issuer gives a serial once');
select throws_ok($$select pg_temp.cert('cert-c', 'nobody')$$, 'SN501', null, 'INV-TRUST-001: a certificate needs a registered client');
select throws_ok($$select pg_temp.cert('cert-c', 'client-a', 'AB')$$, 'SV502', null, 'INV-TRUST-001: a serial is lower-case hexadecimal');
select throws_ok($$select pg_temp.cert('cert-c', 'client-a', 'ab', '-3 days')$$, 'SV502', null, 'INV-TRUST-001: a certificate ends after it begins');
select is(count(*), 2::bigint, 'INV-TRUST-001: what was refused left nothing') from ingress.client_certs;
select ok(pg_temp.key('key-a'), 'INV-TRUST-001: a key is registered for a client');
select ok(pg_temp.key('key-b', 'client-b'), 'INV-TRUST-001: another client''s key');
select ok(pg_temp.key('key-h', 'client-a', 'hmac-sha256'), 'INV-TRUST-001: a shared secret is registered without the secret');
select throws_ok($$select pg_temp.key('key-a', 'client-b')$$, 'SC501', null, 'INV-TRUST-001: a key stays its client''s');
select throws_ok($$select pg_temp.key('key-x', 'client-a', 'rsa-v1_5-sha256')$$, 'SV502', null, 'INV-TRUST-001: an unknown algorithm is refused');
select throws_ok($$select pg_temp.key('key-x', 'nobody')$$, 'SN501', null, 'INV-TRUST-001: a key needs a registered client');
select throws_ok($$select ingress.register_signature_key('key-x', 'client-a', 'hmac-sha256', '{"k":"secret"}', now(), null, 'op', 'x')$$, 'SV502', null,
  'INV-TRUST-001: no secret enters the registry');
select is(count(*), 3::bigint, 'INV-TRUST-001: what was refused left nothing') from ingress.signature_keys;
select is(c.commitment, core.commitment(array['ingress.client_certs', encode(c.cert_sha256, 'hex'), c.client_id, c.participant_id,
  encode(c.issuer_sha256, 'hex'), c.serial, core.epoch_us(c.not_before), core.epoch_us(c.not_after), c.registered_by, c.reason, core.epoch_us(c.registered_at)]),
  'INV-EVID-001: a registration''s commitment can be recomputed') from ingress.client_certs as c where c.client_id = 'client-a';

-- Revocations must be known, and freshly
select is(pg_temp.proves('T-1'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: before any revocation list was read nobody is believed');
select throws_ok($$select ingress.record_revocation_list('CRL', pg_temp.sha('ca'), 5, clock_timestamp() - interval '2 hours', clock_timestamp() - interval '1 second', '{}')$$,
  'SV502', null, 'INV-TRUST-001: an expired list is refused');
select throws_ok($$select ingress.record_revocation_list('CRL', pg_temp.sha('ca'), 5, clock_timestamp() + interval '1 hour', clock_timestamp() + interval '2 hours', '{}')$$,
  'SV502', null, 'INV-TRUST-001: a list from the future is refused');
select throws_ok($$select ingress.record_revocation_list('GOSSIP', pg_temp.sha('ca'), 5, clock_timestamp(), clock_timestamp() + interval '2 hours', '{}')$$,
  'SV502', null, 'INV-TRUST-001: an unknown source is refused');
select throws_ok($$select ingress.record_revocation_list('CRL', pg_temp.sha('ca'), 5, clock_timestamp(), clock_timestamp() + interval '2 hours', null)$$,
  'SV502', null, 'INV-TRUST-001: a list without its serials is refused');
select is(pg_temp.proves('T-1'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: and none of them counts as read');
select is(pg_temp.read_list(5), 0, 'INV-TRUST-001: a list without our serials ends nothing');
select throws_ok($$select pg_temp.read_list(4)$$, 'SC503', null, 'INV-TRUST-001: an older list is refused');
select throws_ok($$select pg_temp.read_list(null)$$, 'SC503', null, 'INV-TRUST-001: so is one that hides its number');
select is(pg_temp.read_list(5), 0, 'INV-TRUST-001: the same list may be read again');
select is(pg_temp.proves('T-1'), 'ACCEPT', 'INV-TRUST-001: what is proven is recorded');
select results_eq($$select a.client_id, a.cert_sha256, a.pop_mode::text, a.signature_key_id from ingress.ingress_attestations as a where a.decision = 'ACCEPT'$$,
  $$values ('client-a' collate "C", pg_temp.sha('cert-a'), 'MTLS_DPOP', 'key-a' collate "C")$$, 'INV-ATT-001: and attested with what was proved');

-- Each thing that is wrong, alone
select is(pg_temp.proves('T-2', jsonb_build_object('cert_sha256', pg_temp.hex('cert-z'))), 'REJECT CERT_UNREGISTERED', 'INV-TRUST-001: an unregistered certificate');
select is(pg_temp.proves('T-2', jsonb_build_object('cert_sha256', pg_temp.hex('cert-b'))), 'REJECT CERT_CLIENT_MISMATCH', 'INV-TRUST-001: another client''s certificate');
select is(pg_temp.proves('T-2', '{"participant_id": "ZM-BANK-B", "creditor_participant_id": "ZM-BANK-A"}'), 'REJECT CERT_CLIENT_MISMATCH', 'INV-TRUST-001: another participant');
select is(pg_temp.proves('T-2', '{"pop_mode": "DEV_HEADER"}'), 'REJECT PROOF_MISSING', 'INV-TRUST-001: a development identity');
select is(pg_temp.proves('T-2', '{"pop_mode": "NONE"}'), 'REJECT PROOF_MISSING', 'INV-TRUST-001: no possession');
select is(pg_temp.proves('T-2', jsonb_build_object(m, null)), 'REJECT PROOF_MISSING', 'INV-TRUST-001: no ' || m)
from unnest(array['cert_sha256', 'client_id', 'token_iss', 'token_jti_sha256', 'pop_mode', 'correlation_id']) as m;
select is(pg_temp.proves('T-2', '{}', jsonb_build_object(m, null)), 'REJECT PROOF_MISSING', 'INV-TRUST-001: no ' || m)
from unnest(array['token_exp', 'dpop_jkt', 'dpop_jti_sha256', 'dpop_iat', 'signature_created']) as m;
select is(pg_temp.proves('T-2', '{"signature_key_id": null, "signature_alg": null}'), 'REJECT SIGNATURE_MISSING', 'INV-TRUST-001: no signed body');
select is(pg_temp.proves('T-2', '{"signature_key_id": "key-b"}'), 'REJECT SIGNATURE_KEY_UNKNOWN', 'INV-TRUST-001: another client''s key');
select is(pg_temp.proves('T-2', '{"signature_key_id": "key-z"}'), 'REJECT SIGNATURE_KEY_UNKNOWN', 'INV-TRUST-001: an unregistered key');
select is(pg_temp.proves('T-2', '{"signature_alg": "hmac-sha256"}'), 'REJECT SIGNATURE_ALGORITHM_REFUSED', 'INV-TRUST-001: another algorithm than the key''s');
select is(pg_temp.proves('T-2', '{}', jsonb_build_object('token_exp', pg_temp.now_s() - 100)), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: an expired token, by the database''s clock');
select is(pg_temp.proves('T-2', '{}', jsonb_build_object('token_exp', pg_temp.now_s() + 9000)), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: a token beyond the ring of the replay store');
select is(pg_temp.proves('T-2', '{}', jsonb_build_object('dpop_iat', pg_temp.now_s() - 700)), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: an old DPoP proof');
select is(pg_temp.proves('T-2', '{}', jsonb_build_object('signature_created', pg_temp.now_s() - 700)), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: an old signature');
select is(concat_ws(' ', a.decision, a.reason_code), 'REJECT PROOF_MISSING', 'INV-TRUST-001: no proof at all')
from ingress.accept_proven(p_items => array[pg_temp.proven('T-2')], p_proofs => array[null]::ingress.proof[]) as a;
select throws_ok($$select ingress.accept_proven(p_items => array[pg_temp.proven('T-2')], p_proofs => null)$$, 'SV503', null, 'INV-TRUST-001: proofs are not left out');
select throws_ok($$select ingress.accept_proven(p_items => array[pg_temp.proven('T-2')], p_proofs => array[pg_temp.proof('1'), pg_temp.proof('2')])$$, 'SV503', null,
  'INV-TRUST-001: one proof an item');
select is(count(*), 1::bigint, 'INV-TRUST-001: none of these recorded an instruction') from outbox.payment_instructions;
select is((select count(*) from ingress.seen_jti), 1::bigint, 'INV-TRUST-001: and none used a proof up');
select is(pg_temp.proves('T-2', '{"reject_reason": "JSON_INVALID", "cert_sha256": null, "pop_mode": "NONE"}'), 'REJECT JSON_INVALID',
  'INV-TRUST-001: what the ingress itself refused needs no proof');

-- Used once
select is(pg_temp.proves('T-1'), 'REJECT DPOP_REPLAYED', 'INV-TRUST-001: a DPoP proof is good once, for the same instruction too');
select is(pg_temp.proves('T-1', '{}', jsonb_build_object('dpop_iat', pg_temp.now_s() + 1)), 'REJECT DPOP_REPLAYED', 'INV-TRUST-001: a new time does not make it a new proof');
select is(pg_temp.proves('T-1', '{}', jsonb_build_object('dpop_jti_sha256', pg_temp.hex('fresh'))), 'REPLAY', 'INV-011: a retry with a new proof gets the original answer');
select is(pg_temp.proves('T-3', jsonb_build_object('token_jti_sha256', pg_temp.hex('jti T-1'))), 'ACCEPT', 'INV-TRUST-001: a DPoP-bound token serves several requests, each with its proof');
select is(pg_temp.proves('M-1', '{"pop_mode": "MTLS"}'), 'ACCEPT', 'INV-TRUST-001: a token bound to the certificate alone');
select is(pg_temp.proves('M-2', jsonb_build_object('pop_mode', 'MTLS', 'token_jti_sha256', pg_temp.hex('jti M-1'))), 'REJECT TOKEN_REPLAYED', 'INV-TRUST-001: is good once');
select is(pg_temp.proves('N-1', '{}', jsonb_build_object('signature_nonce_sha256', pg_temp.hex('n'))), 'ACCEPT', 'INV-TRUST-001: a signature''s nonce');
select is(pg_temp.proves('N-2', '{}', jsonb_build_object('signature_nonce_sha256', pg_temp.hex('n'))), 'REJECT SIGNATURE_REPLAYED', 'INV-TRUST-001: is good once');
select results_eq($$select a.item_no, a.decision::text, a.reason_code from ingress.accept_proven(
    p_items => array[pg_temp.proven('B-1', '{"correlation_id": "00000000-0000-7000-8000-00000000000b"}'), pg_temp.proven('B-2', '{"correlation_id": "00000000-0000-7000-8000-00000000000b"}'),
      pg_temp.proven('B-3'), pg_temp.proven('B-1')],
    p_proofs => array[pg_temp.proof('B'), pg_temp.proof('B'), pg_temp.proof('B'), pg_temp.proof('B4')]) as a order by a.item_no$$,
  $$values (1, 'ACCEPT', null), (2, 'ACCEPT', null), (3, 'REJECT', 'DPOP_REPLAYED'), (4, 'REPLAY', null)$$,
  'INV-TRUST-001: items of one request share its proof, another request in the batch does not');
select is(pg_temp.proves('B-9', '{"correlation_id": "00000000-0000-7000-8000-00000000000b"}', jsonb_build_object('dpop_jti_sha256', pg_temp.hex('proof B'))), 'ACCEPT',
  'INV-TRUST-001: also when the request came in two batches');

-- The edge of a slot: same jti and key with a time on the other side of it
insert into ingress.seen_jti (slot, seen_key, correlation_id)
select ((pg_temp.now_s() / 600 + d.step) % 8)::smallint, encode(substr(sha256(convert_to(array_to_json(array['DPOP', 'cell-test', encode(pg_temp.sha('jkt'), 'hex'),
  encode(pg_temp.sha('proof E' || d.step), 'hex')])::text, 'UTF8')), 1, 16), 'hex')::uuid, uuidv7()
from (values (-1), (0), (1)) as d(step);
select is(pg_temp.proves('E-0', '{}', jsonb_build_object('dpop_jti_sha256', pg_temp.hex('proof E0'))), 'REJECT DPOP_REPLAYED', 'INV-TRUST-001: seen in its slot');
-- Six minutes after the edge such a proof is too old to be looked for.
select ok(pg_temp.proves('E-1', '{}', jsonb_build_object('dpop_jti_sha256', pg_temp.hex('proof E-1'), 'dpop_iat', pg_temp.now_s() / 600 * 600,
    'token_exp', pg_temp.now_s() + 300, 'signature_created', pg_temp.now_s())) in ('REJECT DPOP_REPLAYED',
  case when pg_temp.now_s() % 600 >= 350 then 'REJECT PROOF_EXPIRED' end), 'INV-TRUST-001: seen in the slot before');

-- What is over is emptied, and stays closed
select ok(ingress.retire_seen() > 0, 'INV-TRUST-001: what is over is emptied');
select is(ingress.retire_seen(), 0, 'INV-TRUST-001: once');
select is(pg_temp.proves('T-1'), 'REJECT DPOP_REPLAYED', 'INV-TRUST-001: what is not over is still known');
savepoint clock;
update ingress.replay_horizon set closed_bucket = pg_temp.now_s() / 600 + 1;
select is(pg_temp.proves('C-1'), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: a clock that was set back opens nothing that was closed');
select is(ingress.retire_seen(), 0, 'INV-TRUST-001: nor does the next retirement');
rollback to savepoint clock;

-- Revocation
select ok(pg_temp.cert('cert-new'), 'INV-TRUST-001: a certificate that was registered after the last list was read');
select is(pg_temp.proves('V-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-new'))), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: is not believed yet');
select is(pg_temp.read_list(6, array[encode(substr(pg_temp.sha('cert-new'), 1, 8), 'hex'), 'ff']), 1, 'INV-TRUST-001: a list ends what is on it');
select is(pg_temp.proves('V-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-new'))), 'REJECT CERT_REVOKED', 'INV-TRUST-001: for ever');
select is(pg_temp.read_list(7), 0, 'INV-TRUST-001: a list that no longer has it');
select is(pg_temp.proves('V-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-new'))), 'REJECT CERT_REVOKED', 'INV-TRUST-001: does not bring it back');
select is(pg_temp.read_list(1, '{}', 'CRL', 'another ca'), 0, 'INV-TRUST-001: another CA''s list');
select is(pg_temp.proves('V-2'), 'ACCEPT', 'INV-TRUST-001: cert-a is still good');
select is(pg_temp.read_list(null, '{}', 'OCSP'), 0, 'INV-TRUST-001: once its issuer''s OCSP was asked');
savepoint ocsp;
update ingress.revocation_sources set checked_at = checked_at - interval '1 hour' where source = 'OCSP';
select is(pg_temp.proves('V-3'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: it must be fresh like the list');
rollback to savepoint ocsp;
savepoint crl;
update ingress.revocation_sources set next_update = clock_timestamp() - interval '1 microsecond' where source = 'CRL';
select is(pg_temp.proves('V-3'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: a list is over with its nextUpdate');
rollback to savepoint crl;
select lives_ok($$select ingress.revoke_client_cert(pg_temp.sha('cert-a'), 'op', 'stolen')$$, 'INV-TRUST-001: an operator ends a certificate');
select is(pg_temp.proves('V-3'), 'REJECT CERT_REVOKED', 'INV-TRUST-001: and it is refused at once');
select throws_ok($$select ingress.revoke_client_cert(pg_temp.sha('cert-a'), 'op', 'again')$$, 'SC502', null, 'INV-TRUST-001: once');
select throws_ok($$select ingress.revoke_client_cert(pg_temp.sha('cert-q'), 'op', 'x')$$, 'SN502', null, 'INV-TRUST-001: an unregistered one is named');
select throws_ok($$select ingress.revoke_client_cert(pg_temp.sha('cert-b'), 'op', null)$$, 'SV502', null, 'INV-TRUST-001: with a reason');
select results_eq($$select source, count(*) from ingress.revoked_client_certs group by source$$, $$values ('CRL' collate "C", 1::bigint), ('OPERATOR', 1)$$,
  'INV-TRUST-001: two certificates ended');
select ok(pg_temp.cert('cert-a2'), 'INV-TRUST-001: the client gets another one');
select is(pg_temp.read_list(8), 0, 'INV-TRUST-001: a list is read');
select is(pg_temp.proves('V-4', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'))), 'ACCEPT', 'INV-TRUST-001: and it is believed');
select lives_ok($$select ingress.retire_signature_key('key-a', 'op', 'rotated')$$, 'INV-TRUST-001: an operator ends a key');
select is(pg_temp.proves('V-5', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'))), 'REJECT SIGNATURE_KEY_UNKNOWN', 'INV-TRUST-001: and it is refused');
select throws_ok($$select ingress.retire_signature_key('key-a', 'op', 'again')$$, 'SC502', null, 'INV-TRUST-001: once');
select throws_ok($$select ingress.retire_signature_key('key-q', 'op', 'x')$$, 'SN502', null, 'INV-TRUST-001: an unregistered one is named');
select ok(pg_temp.key('key-a2'), 'INV-TRUST-001: the client gets another key');
select is(pg_temp.proves('V-5', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2')), 'ACCEPT', 'INV-TRUST-001: and it is believed');

-- Reads are attested
create function pg_temp.reads(p_id text, p_item jsonb default '{}', p_proof jsonb default '{}') returns text language sql begin atomic
  select concat_ws(' ', r.decision, r.refusal_code, r.state) from ingress.read_status(p_item => pg_temp.proven(p_id,
    jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', null, 'signature_alg', null, 'rail', null,
      'db_role', 'symphony_status_reader') || p_item), p_proof => pg_temp.proof(p_id, jsonb_build_object('dpop_jti_sha256', pg_temp.hex(gen_random_uuid()::text)) || p_proof)) as r;
end;
select is(pg_temp.reads('T-1'), 'READ PENDING', 'INV-TRUST-001: a participant reads its own');
select is(pg_temp.reads('nothing'), 'REJECT INSTRUCTION_UNKNOWN', 'INV-TRUST-001: and is told what does not exist');
select is(pg_temp.reads('T-1', '{"client_id": "client-b", "participant_id": "ZM-BANK-B"}'), 'REJECT CERT_CLIENT_MISMATCH', 'INV-TRUST-001: not with another''s name');
select is(pg_temp.reads('T-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-b'), 'client_id', 'client-b', 'participant_id', 'ZM-BANK-B')),
  'REJECT INSTRUCTION_UNKNOWN', 'INV-TRUST-001: another participant''s instruction does not exist for it');
select is(pg_temp.reads('T-1', '{}', jsonb_build_object('dpop_jti_sha256', pg_temp.hex('proof T-1'))), 'REJECT DPOP_REPLAYED', 'INV-TRUST-001: a proof of a payment is used up for a read');
select results_eq($$select a.decision::text, a.reason_code, count(*) from ingress.ingress_attestations as a where a.db_role = 'symphony_status_reader' group by 1, 2 order by 1, 2$$,
  $$values ('READ', null::text collate "C", 1::bigint), ('REJECT', 'CERT_CLIENT_MISMATCH', 1), ('REJECT', 'DPOP_REPLAYED', 1), ('REJECT', 'INSTRUCTION_UNKNOWN', 2)$$,
  'INV-ATT-001: each of them is attested with the role it ran under');
select is(concat_ws(' ', r.decision, jsonb_array_length(r.entries) >= 2), 'READ t', 'INV-TRUST-001: the evidence of one''s own instruction')
from ingress.read_evidence(p_item => pg_temp.proven('T-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', null, 'rail', null)),
  p_proof => pg_temp.proof('evidence', jsonb_build_object('dpop_jti_sha256', pg_temp.hex(gen_random_uuid()::text)))) as r;
select is_empty($$select from evidence.list_timeline('ZM-BANK-A', 'T-1') as t, jsonb_array_elements(t.entries) as e
  where e -> 'facts' ?| array['actor', 'maker', 'checker', 'claimed_by', 'lease_token', 'db_role']$$, 'INV-LEAK-001: without names of ours');
select is(concat_ws(' ', r.decision, r.refusal_code, r.entries), 'REJECT PROOF_EXPIRED', 'INV-TRUST-001: nothing without proof')
from ingress.read_evidence(p_item => pg_temp.proven('T-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'rail', null, 'signature_key_id', null)),
  p_proof => pg_temp.proof('x', '{"token_exp": 1}')) as r;
select throws_ok($$select * from ingress.read_status(null, null)$$, 'SV501', null, 'INV-TRUST-001: no item, no read');

-- The rule
select is((select proof_required from ingress.get_registry_state()), false, 'INV-TRUST-001: at first requests without proof are believed (development)');
select is(pg_temp.decided('D-1'), 'ACCEPT', 'INV-TRUST-001: accept takes them');
select throws_ok($$select ingress.publish_proof_rule(true, true, 'often', 'single_use', 60000, 'op', 'x')$$, 'SV502', null, 'INV-TRUST-001: a rule has words');
select throws_ok($$select ingress.publish_proof_rule(true, true, 'single_use', 'single_use', 60000, null, 'x')$$, 'SV502', null, 'INV-TRUST-001: and a name');
select is(ingress.publish_proof_rule(true, true, 'single_use', 'per_request_proof', 600000, 'op', 'production'), 1, 'INV-TRUST-001: proof becomes required');
select is(pg_temp.decided('D-2'), 'REJECT PROOF_MISSING', 'INV-TRUST-001: accept refuses what has none');
select is(pg_temp.decided('D-2', '{"reject_reason": "JSON_INVALID"}'), 'REJECT JSON_INVALID', 'INV-TRUST-001: and attests what was refused before');
select is(concat_ws(' ', r.decision, r.refusal_code), 'REJECT PROOF_MISSING', 'INV-TRUST-001: a read without proof too')
from ingress.read_status(p_item => pg_temp.item('T-1', '{"rail": null}'), p_proof => null) as r;
select throws_ok($$select ingress.publish_proof_rule(false, true, 'single_use', 'per_request_proof', 600000, 'op', 'back')$$, 'SA501', null, 'INV-TRUST-001: and stays required');
select is(ingress.publish_proof_rule(true, true, 'per_request_proof', 'single_use', 600000, 'op', 'other uses'), 2, 'INV-TRUST-001: uses may change');
select is(pg_temp.proves('P-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2', 'pop_mode', 'MTLS')), 'REJECT PROOF_MISSING',
  'INV-TRUST-001: per_request_proof without DPoP needs a nonce');
select is(pg_temp.proves('P-1', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2', 'pop_mode', 'MTLS'),
  jsonb_build_object('signature_nonce_sha256', pg_temp.hex('p1'))), 'ACCEPT', 'INV-TRUST-001: with it the token serves');
select is(pg_temp.proves('P-2', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2', 'pop_mode', 'MTLS', 'token_jti_sha256', pg_temp.hex('jti P-1')),
  jsonb_build_object('signature_nonce_sha256', pg_temp.hex('p2'))), 'ACCEPT', 'INV-TRUST-001: several requests');
select is(pg_temp.proves('P-3', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2')), 'ACCEPT', 'INV-TRUST-001: single_use with DPoP');
select is(pg_temp.proves('P-4', jsonb_build_object('cert_sha256', pg_temp.hex('cert-a2'), 'signature_key_id', 'key-a2', 'token_jti_sha256', pg_temp.hex('jti P-3'))),
  'REJECT TOKEN_REPLAYED', 'INV-TRUST-001: counts the token too');
select ok(s.version > 10 and s.proof_required and s.revocation_fresh_until > clock_timestamp(), 'INV-TRUST-001: caches can see what changed')
from ingress.get_registry_state() as s;

-- Counts
create function pg_temp.count_of(p_changes jsonb default '{}') returns ingress.refusal_count language sql return
  jsonb_populate_record(null::ingress.refusal_count, jsonb_build_object('count_id', uuidv7(), 'level', 'CONNECTION', 'reason_code', 'CONNECTION_NO_CERTIFICATE',
    'peer_address', '192.0.2.1', 'refusals', 3, 'first_at', clock_timestamp(), 'last_at', clock_timestamp(), 'instance', 'ingress-1') || p_changes);
create temp table counted as select pg_temp.count_of() as c;
select is(ingress.record_refusal_counts(array[(select c from counted), pg_temp.count_of()]), 2, 'INV-ATT-001: connections that never became a request are counted');
select is(ingress.record_refusal_counts(array[(select c from counted)]), 0, 'INV-ATT-001: a count sent twice is recorded once');
select throws_ok(format($$select ingress.record_refusal_counts(array[pg_temp.count_of(%L)])$$, m), 'SV502', null, 'INV-ATT-001: a count out of its form: ' || m)
from unnest(array['{"count_id": "11111111-1111-4111-8111-111111111111"}', '{"count_id": null}', '{"level": "OTHER"}', '{"refusals": 0}', '{"reason_code": "NO_SUCH"}',
  '{"first_at": "2030-01-01"}', '{"instance": ""}']) as m;
select throws_ok($$select ingress.record_refusal_counts('{}')$$, 'SV401', null, 'INV-BATCH-001: an empty batch is refused');
select is(sum(refusals), 6::numeric, 'INV-ATT-001: what was refused left nothing') from ingress.refusal_counts;
select ok(ingress.record_service_event('INGRESS_STARTED', '{"configuration_sha256": "00"}') is not null, 'INV-ATT-001: an ingress says that it starts');
select throws_ok($$select ingress.record_service_event('PAYMENT', '{}')$$, 'SV502', null, 'INV-ATT-001: and nothing else');
select throws_ok($$select ingress.record_service_event('INGRESS_STARTED', '[]')$$, 'SV502', null, 'INV-ATT-001: with facts');

-- Append-only
select throws_ok(format('delete from ingress.%I', t), 'SX001', null, 'INV-014: ' || t || ' is append-only')
from unnest(array['proof_rules', 'clients', 'client_certs', 'revoked_client_certs', 'signature_keys', 'retired_signature_keys', 'refusal_counts']) as t;

select * from finish();
rollback;
