-- ingress: revocation sources that end, freshness per CA, readings as evidence, what the registry refuses, reads without their facts.
begin;
set local search_path = tap, pg_catalog;
\ir ../cell.psql
select no_plan();
select pg_temp.establish();

create function pg_temp.sha(p_of text) returns bytea language sql return sha256(convert_to(p_of, 'UTF8'));
create function pg_temp.hex(p_of text) returns text language sql return '\x' || encode(pg_temp.sha(p_of), 'hex');
create function pg_temp.now_s() returns bigint language sql return extract(epoch from clock_timestamp())::bigint;
create function pg_temp.proven(p_id text, p_cert text, p_changes jsonb default '{}') returns ingress.item language sql return
  pg_temp.item(p_id, jsonb_build_object('client_id', 'client-a', 'cert_sha256', pg_temp.hex(p_cert), 'token_iss', 'https://issuer.example',
    'token_aud', 'symphony', 'token_kid', 'k1', 'token_jti_sha256', pg_temp.hex('jti ' || p_id), 'cnf', '{}', 'pop_mode', 'MTLS_DPOP',
    'signature_key_id', 'key-a', 'signature_alg', 'ed25519', 'correlation_id', uuidv7()) || p_changes);
create function pg_temp.proof() returns ingress.proof language sql return
  jsonb_populate_record(null::ingress.proof, jsonb_build_object('token_exp', pg_temp.now_s() + 300, 'dpop_jkt', pg_temp.hex('jkt'),
    'dpop_jti_sha256', pg_temp.hex(gen_random_uuid()::text), 'dpop_iat', pg_temp.now_s(), 'signature_created', pg_temp.now_s()));
create function pg_temp.proves(p_id text, p_cert text) returns text language sql begin atomic
  select concat_ws(' ', a.decision, a.reason_code)
  from ingress.accept_proven(p_items => array[pg_temp.proven(p_id, p_cert)], p_proofs => array[pg_temp.proof()]) as a;
end;
create function pg_temp.reads(p_source text, p_issuer text, p_number numeric, p_serials text[] default '{}', p_at timestamptz default null) returns integer
language sql begin atomic
  select ingress.record_revocation_list(p_source => p_source, p_issuer_sha256 => pg_temp.sha(p_issuer), p_list_number => p_number,
    p_this_update => coalesce(p_at, clock_timestamp() - interval '1 minute'), p_next_update => clock_timestamp() + interval '1 hour',
    p_revoked_serials => p_serials);
end;
create function pg_temp.cert(p_name text, p_issuer text, p_from timestamptz default clock_timestamp() - interval '2 days',
  p_until timestamptz default clock_timestamp() + interval '1 day') returns boolean language sql begin atomic
  select ingress.register_client_cert(p_client_id => 'client-a', p_cert_sha256 => pg_temp.sha(p_name), p_issuer_sha256 => pg_temp.sha(p_issuer),
    p_serial => encode(substr(pg_temp.sha(p_name), 1, 8), 'hex'), p_not_before => p_from, p_not_after => p_until, p_operator => 'op', p_reason => 'test');
end;
create function pg_temp.key(p_id text, p_jwk text, p_alg text default 'ed25519', p_from timestamptz default '2026-01-01T00:00:00Z',
  p_until timestamptz default null) returns boolean language sql begin atomic
  select ingress.register_signature_key(p_key_id => p_id, p_client_id => 'client-a', p_alg => p_alg, p_public_jwk => p_jwk,
    p_active_from => p_from, p_active_until => p_until, p_operator => 'op', p_reason => 'test');
end;
create function pg_temp.ends(p_source text, p_issuer text) returns timestamptz language sql begin atomic
  select ingress.end_revocation_source(p_issuer_sha256 => pg_temp.sha(p_issuer), p_source => p_source, p_operator => 'op', p_reason => 'test');
end;
create function pg_temp.ages(p_source text, p_issuer text) returns void language sql begin atomic
  update ingress.revocation_sources set checked_at = checked_at - interval '1 hour', this_update = this_update - interval '2 hours'
  where source = p_source and issuer_sha256 = pg_temp.sha(p_issuer);
end;
create function pg_temp.is_fresh() returns boolean language sql begin atomic
  select coalesce(s.revocation_fresh_until > clock_timestamp(), false) from ingress.get_registry_state() as s;
end;

-- What is registered as a key is a public key and nothing else
select ok(ingress.register_client('client-a', 'ZM-BANK-A', 'op', 'onboarding'), 'INV-TRUST-001: a client');
create temp table odd_key (why text, alg text, jwk text);
insert into odd_key values
  ('a private Ed25519 key', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'),
  ('a private P-256 key', 'ecdsa-p256-sha256', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}'),
  ('a private key hidden by a second member of its name', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
  ('a shared secret', 'ed25519', '{"kty":"oct","k":"c2VjcmV0"}'),
  ('a member more', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1"}'),
  ('another curve', 'ed25519', '{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
  ('another algorithm''s key', 'ecdsa-p256-sha256', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
  ('half a point', 'ecdsa-p256-sha256', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}'),
  ('no text', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":1}'),
  ('too short', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":"AA"}'),
  ('what no jsonb can hold', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":"\u0000"}'),
  ('a number beyond numeric', 'ed25519', '{"kty":"OKP","crv":"Ed25519","x":1e999999}'),
  ('no JSON', 'ed25519', 'x'),
  ('nothing', 'ed25519', null);
select throws_ok(format('select pg_temp.key(%L, %L, %L)', 'key-x', k.jwk, k.alg), 'SV502', null, 'INV-LEAK-001: not registered as a key: ' || k.why) from odd_key as k;
select is(count(*), 0::bigint, 'INV-LEAK-001: and none of it is written') from ingress.signature_keys;
select ok(pg_temp.key('key-a', ' {"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kty": "OKP", "crv": "Ed25519"}'), 'INV-TRUST-001: an Ed25519 key, in any order');
select ok(pg_temp.key('key-p', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}', 'ecdsa-p256-sha256'),
  'INV-TRUST-001: a P-256 key');
select throws_ok(format('select pg_temp.key(%L, null, %L, %L, %L)', 'key-h', 'hmac-sha256', f.a, f.b), 'SV502', null, 'INV-TRUST-001: a key has times that can be told: ' || f.a)
from (values ('-infinity', '2030-01-01'), ('infinity', null), ('2026-01-01', 'infinity'), ('20000-01-01', null)) as f(a, b);
select throws_ok(format('select pg_temp.cert(%L, %L, %L, %L)', 'cert-x', 'ca', f.a, f.b), 'SV502', null, 'INV-TRUST-001: so has a certificate: ' || f.a || ' ' || f.b)
from (values ('-infinity', '2030-01-01'), ('2026-01-01', 'infinity'), ('2026-01-01', '294276-12-31')) as f(a, b);
select is((select count(*) from ingress.signature_keys) + (select count(*) from ingress.client_certs), 2::bigint, 'INV-TRUST-001: what was refused left nothing');
select throws_ok(format('select pg_temp.reads(%L, %L, %L)', 'CRL', 'ca', f.n), 'SV502', null, 'INV-TRUST-001: a list''s number is one: ' || f.n)
from (values ('Infinity'), ('NaN'), ('-1'), ('1.5'), ('1e50')) as f(n);
select throws_ok($$select ingress.record_revocation_list('CRL', pg_temp.sha('ca'), 1, clock_timestamp(), 'infinity', '{}')$$, 'SV502', null, 'INV-TRUST-001: a list ends');
select throws_ok($$select ingress.record_revocation_list('CRL', pg_temp.sha('ca'), 1, '-infinity', clock_timestamp() + interval '1 hour', '{}')$$, 'SV502', null, 'INV-TRUST-001: and begins');
select is((select count(*) from ingress.revocation_sources) + (select count(*) from ingress.revocation_readings), 0::bigint, 'INV-TRUST-001: none of them counts as read');
select is(pg_temp.reads('CRL', 'ca', 9999999999999999999999999999999999999999999999999), 0, 'INV-TRUST-001: the largest number there is (RFC 5280 5.2.3: 20 octets)');
select is((select revoked_count from ingress.revocation_readings), 0, 'INV-EVID-001: and that it was read is evidence');

-- An OCSP responder that was asked once and switched off
select ok(pg_temp.cert('cert-1', 'ca one'), 'INV-TRUST-001: a certificate of one CA');
select ok(not pg_temp.is_fresh(), 'INV-TRUST-001: a fresh list of another CA lets nobody start');
select is(pg_temp.reads('CRL', 'ca one', 1), 0, 'INV-TRUST-001: its list is read');
select is(pg_temp.reads('OCSP', 'ca one', null), 0, 'INV-TRUST-001: its responder is asked once');
select is(pg_temp.proves('O-1', 'cert-1'), 'ACCEPT', 'INV-TRUST-001: both are fresh');
select pg_temp.ages('OCSP', 'ca one');
select is(pg_temp.proves('O-2', 'cert-1'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: what was asked once must stay fresh');
select ok(not pg_temp.is_fresh(), 'INV-TRUST-001: and the ingress sees it');
select throws_ok($$select pg_temp.ends('OCSP', 'nobody')$$, 'SN503', null, 'INV-TRUST-001: a source that was never read does not end');
select throws_ok($$select pg_temp.ends('GOSSIP', 'ca one')$$, 'SN503', null, 'INV-TRUST-001: nor one that is none');
select throws_ok($$select ingress.end_revocation_source(pg_temp.sha('ca one'), 'OCSP', ' ', 'test')$$, 'SV502', null, 'INV-TRUST-001: an operator is named');
select throws_ok($$select ingress.end_revocation_source(pg_temp.sha('ca one'), 'OCSP', 'op', null)$$, 'SV502', null, 'INV-TRUST-001: with a reason');
select throws_ok($$select pg_temp.ends('CRL', 'ca one')$$, 'SC504', null, 'INV-TRUST-001: a list on which a usable certificate rests does not end');
select is(count(*), 0::bigint, 'INV-TRUST-001: what was refused left nothing') from ingress.ended_revocation_sources;
create temp table version as select version from ingress.get_registry_state();
select lives_ok($$select pg_temp.ends('OCSP', 'ca one')$$, 'INV-TRUST-001: an operator ends the responder');
select ok(s.version > (select version from version), 'INV-TRUST-001: caches hear of it') from ingress.get_registry_state() as s;
select is(pg_temp.proves('O-2', 'cert-1'), 'ACCEPT', 'INV-TRUST-001: from then on the list alone counts');
select ok(pg_temp.is_fresh(), 'INV-TRUST-001: for the ingress too');
select throws_ok($$select pg_temp.ends('OCSP', 'ca one')$$, 'SN503', null, 'INV-TRUST-001: it ends once');
select is(e.commitment, core.commitment(array['ingress.ended_revocation_sources', encode(e.issuer_sha256, 'hex'), e.source, e.ended_by, e.reason, core.epoch_us(e.ended_at)]),
  'INV-EVID-001: an end''s commitment can be recomputed') from ingress.ended_revocation_sources as e;
select is(pg_temp.reads('OCSP', 'ca one', null), 0, 'INV-TRUST-001: asked again');
select pg_temp.ages('OCSP', 'ca one');
update ingress.revocation_sources set checked_at = clock_timestamp(), next_update = clock_timestamp() where source = 'OCSP' and issuer_sha256 = pg_temp.sha('ca one');
select is(pg_temp.proves('O-3', 'cert-1'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: it counts again');
select lives_ok($$select pg_temp.ends('OCSP', 'ca one')$$, 'INV-TRUST-001: until it is ended again');

-- A list of a wrong CA, and a CA that is replaced
select is(pg_temp.reads('CRL', 'wrong ca', 1), 0, 'INV-TRUST-001: the list of a CA that issues nothing here');
select pg_temp.ages('CRL', 'wrong ca');
select ok(pg_temp.is_fresh(), 'INV-TRUST-001: stops nobody by growing old');
select lives_ok($$select pg_temp.ends('CRL', 'wrong ca')$$, 'INV-TRUST-001: and can be ended');
select ok(pg_temp.cert('cert-2', 'ca two'), 'INV-TRUST-001: a certificate of a new CA');
select is(pg_temp.reads('CRL', 'ca two', 1), 0, 'INV-TRUST-001: whose list is read');
select pg_temp.ages('CRL', 'ca one');
select is(pg_temp.proves('C-1', 'cert-1'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: a CA whose list is stale stops its own certificates');
select is(pg_temp.proves('C-2', 'cert-2'), 'ACCEPT', 'INV-TRUST-001: and no other''s');
select ok(pg_temp.is_fresh(), 'INV-TRUST-001: nor the ingress');
select pg_temp.ages('CRL', 'ca two');
select ok(not pg_temp.is_fresh(), 'INV-TRUST-001: which stops when no CA with a usable certificate is fresh, whatever another''s list says');
select is(pg_temp.reads('CRL', 'ca two', 2), 0, 'INV-TRUST-001: a new list');
select lives_ok($$select ingress.revoke_client_cert(pg_temp.sha('cert-1'), 'op', 'replaced')$$, 'INV-TRUST-001: the old CA''s last certificate ends');
select lives_ok($$select pg_temp.ends('CRL', 'ca one')$$, 'INV-TRUST-001: then its list may end');
select is(pg_temp.proves('C-3', 'cert-1'), 'REJECT CERT_REVOKED', 'INV-TRUST-001: which gives nothing back');
select ok(pg_temp.cert('cert-3', 'ca one'), 'INV-TRUST-001: a new certificate of the old CA');
select is(pg_temp.proves('C-4', 'cert-3'), 'REJECT REVOCATION_STALE', 'INV-TRUST-001: is not believed on an ended list');
select is(pg_temp.reads('CRL', 'ca one', 2), 0, 'INV-TRUST-001: the list is read again');
select is(pg_temp.proves('C-4', 'cert-3'), 'ACCEPT', 'INV-TRUST-001: and counts again');
savepoint nobody;
select lives_ok(format($$select ingress.revoke_client_cert(pg_temp.sha(%L), 'op', 'x')$$, c), 'INV-TRUST-001: ' || c || ' ends') from unnest(array['cert-2', 'cert-3']) as c;
select ok(pg_temp.is_fresh(), 'INV-TRUST-001: without any usable certificate a fresh list is enough to start');
rollback to savepoint nobody;

-- What was known, and when
create function pg_temp.readings() returns bigint language sql begin atomic
  select count(*) from ingress.revocation_readings as r where r.issuer_sha256 = pg_temp.sha('ca three');
end;
create temp table at as select clock_timestamp() - interval '1 minute' as t;
select is(pg_temp.reads('CRL', 'ca three', 1, '{aa,bb}', (select t from at)), 0, 'INV-EVID-001: a list');
select results_eq($$select r.source, r.list_number, r.this_update, r.revoked_count from ingress.revocation_readings as r where r.issuer_sha256 = pg_temp.sha('ca three')$$,
  $$select 'CRL' collate "C", 1::numeric, t, 2 from at$$, 'INV-EVID-001: is a reading');
select is(pg_temp.reads('CRL', 'ca three', 1, '{aa,bb}', (select t from at)) + pg_temp.readings(), 1::bigint, 'INV-EVID-001: the same list is not one again');
select is(pg_temp.reads('CRL', 'ca three', 2, '{aa,bb}', (select t from at)) + pg_temp.readings(), 2::bigint, 'INV-EVID-001: a new number is');
select is(pg_temp.reads('CRL', 'ca three', 2, '{aa,bb}') + pg_temp.readings(), 3::bigint, 'INV-EVID-001: a new thisUpdate is');
select is(pg_temp.reads('OCSP', 'ca three', null, '{}') + pg_temp.readings(), 4::bigint, 'INV-EVID-001: a round of OCSP');
select is(pg_temp.reads('OCSP', 'ca three', null, '{}', clock_timestamp()) + pg_temp.readings(), 4::bigint, 'INV-EVID-001: with the same answers is none again, though it began later');
select is(pg_temp.reads('OCSP', 'ca three', null, '{aa}', clock_timestamp()) + pg_temp.readings(), 5::bigint, 'INV-EVID-001: with another answer it is');
select lives_ok($$select pg_temp.ends('OCSP', 'ca three')$$, 'INV-EVID-001: a source ends');
select is(pg_temp.reads('OCSP', 'ca three', null, '{aa}', clock_timestamp()) + pg_temp.readings(), 6::bigint, 'INV-EVID-001: read again it is a reading at once');
-- A heartbeat: the last reading made ten minutes older, which only a test may do.
alter table ingress.revocation_readings disable trigger refuse_change;
update ingress.revocation_readings as r set recorded_at = r.recorded_at - interval '10 minutes' where r.issuer_sha256 = pg_temp.sha('ca three');
alter table ingress.revocation_readings enable always trigger refuse_change;
select is(pg_temp.reads('OCSP', 'ca three', null, '{aa}', clock_timestamp()) + pg_temp.readings(), 7::bigint, 'INV-EVID-001: what stays the same is a reading again after ten minutes');
select is(pg_temp.reads('OCSP', 'ca three', null, '{aa}', clock_timestamp()) + pg_temp.readings(), 7::bigint, 'INV-EVID-001: and not before');
select is(r.commitment, core.commitment(array['ingress.revocation_readings', r.reading_id::text, encode(r.issuer_sha256, 'hex'), r.source, r.list_number::text,
  core.epoch_us(r.this_update), core.epoch_us(r.next_update), r.revoked_count::text, core.epoch_us(r.recorded_at)]), 'INV-EVID-001: a reading''s commitment can be recomputed')
from ingress.revocation_readings as r order by r.recorded_at desc limit 1;
select results_eq($$select v.issuer_sha256, v.source, v.revoked_count from evidence.revocation_readings as v order by v.recorded_at desc limit 1$$,
  $$select encode(pg_temp.sha('ca three'), 'hex'), 'OCSP' collate "C", 1$$, 'INV-EVID-001: an auditor sees it');
select is(count(*), 5::bigint, 'INV-EVID-001: and what was ended') from evidence.ended_revocation_sources;

-- What the list of refusals shows of the sender
select is(concat_ws(' ', v.reason_code, v.cert_sha256, v.token_jti_sha256, v.cnf, v.pop_mode, v.signature_key_id, v.signature_alg, c.client_id),
  concat_ws(' ', 'CERT_REVOKED', encode(pg_temp.sha('cert-1'), 'hex'), encode(pg_temp.sha('jti C-3'), 'hex'), '{}', 'MTLS_DPOP', 'key-a', 'ed25519', 'client-a'),
  'INV-ATT-001: a refusal shows with what it was tried, and whose certificate that was')
from evidence.refusals as v join evidence.client_certs as c on c.cert_sha256 = v.cert_sha256 where v.instruction_id = 'C-3';

-- Lists leave out what is over
select ok(pg_temp.cert('cert-old', 'ca two', clock_timestamp() - interval '9 days', clock_timestamp() - interval '25 hours'), 'INV-TRUST-001: a certificate that expired yesterday');
select ok(pg_temp.cert('cert-late', 'ca two', clock_timestamp() - interval '9 days', clock_timestamp() - interval '1 hour'), 'INV-TRUST-001: and one of an hour ago');
select results_eq($$select l.cert_sha256 from ingress.list_client_certs() as l order by l.registered_at$$,
  $$select pg_temp.sha(c) from unnest(array['cert-1', 'cert-2', 'cert-3', 'cert-late']) as c$$, 'INV-TRUST-001: of them only the later is listed; a revoked one is until it expires');
select is(count(*), 5::bigint, 'INV-EVID-001: the view has all') from evidence.client_certs;
select ok(pg_temp.key('key-old', null, 'hmac-sha256', '2026-01-01', clock_timestamp() - interval '25 hours'), 'INV-TRUST-001: a key that ended yesterday');
select ok(pg_temp.key('key-late', null, 'hmac-sha256', '2026-01-01', clock_timestamp() - interval '1 hour'), 'INV-TRUST-001: and one of an hour ago');
select lives_ok($$select ingress.retire_signature_key('key-p', 'op', 'rotated')$$, 'INV-TRUST-001: one is retired now');
select is(string_agg(l.key_id, ' '), 'key-a key-p key-late', 'INV-TRUST-001: what ended more than a day ago is not listed') from ingress.list_signature_keys() as l;
select is(count(*), 4::bigint, 'INV-EVID-001: the view has all') from evidence.signature_keys;

-- A read that does not say what an attestation holds
create function pg_temp.status(p_changes jsonb) returns text language sql begin atomic
  select concat_ws(' ', r.decision, r.refusal_code, r.state) from ingress.read_status(p_item => pg_temp.proven('C-2', 'cert-2',
    '{"signature_key_id": null, "signature_alg": null, "rail": null, "db_role": "symphony_status_reader"}' || p_changes), p_proof => pg_temp.proof()) as r;
end;
select is(pg_temp.status('{}'), 'READ PENDING', 'INV-ATT-001: a complete read');
select is(pg_temp.status(c), 'REJECT ITEM_INVALID', 'INV-ATT-001: refused: ' || c::text)
from unnest(array['{"body_sha256": null}', '{"body_sha256": "\\x00"}', '{"received_at": null}', '{"received_at": "infinity"}', '{"verified_at": null}', '{"db_role": null}']::jsonb[]) as c;
select is(pg_temp.status('{"correlation_id": null}'), 'REJECT PROOF_MISSING', 'INV-ATT-001: or earlier');
select is(count(*), 6::bigint, 'INV-ATT-001: and attested as refused') from ingress.ingress_attestations as a where a.reason_code = 'ITEM_INVALID';
select is(pg_temp.status('{"participant_id": null}'), 'REJECT CERT_CLIENT_MISMATCH', 'INV-ATT-001: no participant');

-- Counts: what is the sender's fault is told from what is not
create function pg_temp.counts(p_changes jsonb) returns text language sql return
  format('select ingress.record_refusal_counts(array[jsonb_populate_record(null::ingress.refusal_count, %L)])',
    jsonb_build_object('count_id', uuidv7(), 'level', 'REQUEST', 'reason_code', 'TOO_MANY_REFUSALS', 'refusals', 1, 'first_at', clock_timestamp(),
      'last_at', clock_timestamp(), 'instance', 'i') || p_changes);
select lives_ok(pg_temp.counts('{}'), 'INV-ATT-001: who is slowed down after too many refusals is counted');
select throws_ok(pg_temp.counts(c), 'SV502', null, 'INV-ATT-001: out of its form: ' || c::text)
from unnest(array['{"last_at": "infinity"}', '{"first_at": "-infinity"}', '{"last_at": "294276-01-01"}', '{"level": null}', '{"reason_code": null}', '{"refusals": null}', '{"instance": null}',
  '{"cert_sha256": "\\x00"}', '{"participant_id": "bank a"}', '{"participant_id": ""}', '{"count_id": "11111111-1111-7111-8111-111111111111"}']::jsonb[]) as c;
select throws_like(pg_temp.counts(jsonb_build_object('count_id', uuidv7(date_trunc('month', clock_timestamp()) - interval '5 seconds' - clock_timestamp()))), 'no partition of relation "refusal_counts" found for row',
  'INV-ATT-001: a month without partition is no fault of the count''s');
select is(count(*), 1::bigint, 'INV-ATT-001: what was refused left nothing') from ingress.refusal_counts;

-- The horizon and the slots are watched
select ok(not exists (select from ops.table_health() as h where h.metric = 'replay_horizon_age_seconds'), 'INV-TRUST-001: before the first retirement the horizon has no age');
select is(count(*), 16::bigint, 'INV-TRUST-001: each slot of the replay ring shows its size') from ops.table_health() as h where h.labels ->> 'table' like 'ingress.seen\_jti\__';
select ok(ingress.retire_seen() = 3, 'INV-TRUST-001: what is over is emptied');
select ok(h.value between 600 and 1201, 'INV-TRUST-001: then it has') from ops.table_health() as h where h.metric = 'replay_horizon_age_seconds';
select is(count(*), 8::bigint, 'INV-TRUST-001: autovacuum does not hold up the emptying') from pg_class as c
where c.relname ~ '^seen_jti_[0-7]$' and c.reloptions @> '{autovacuum_enabled=false}';

-- Append-only
select throws_ok(format('delete from ingress.%I', t), 'SX001', null, 'INV-014: ' || t || ' is append-only')
from unnest(array['ended_revocation_sources', 'revocation_readings']) as t;
select throws_ok(format('truncate ingress.%I', t), 'SX001', null, 'INV-014: ' || t || ' is not emptied')
from unnest(array['ended_revocation_sources', 'revocation_readings']) as t;

select * from finish();
rollback;
