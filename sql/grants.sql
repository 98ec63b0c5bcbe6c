-- The one matrix: who may do what. Everything is revoked first, so what is not written here is not granted.
-- Loaded last, whenever a migration or a function changed.

-- 1. Revoke all: whoever holds anything on our objects and is not their owner, whoever granted it.
do $$
declare
  v_acl record;
begin
  for v_acl in
    select format('revoke all on %s %s from %s', a.kind, a.name, coalesce(quote_ident(r.rolname), 'public')) as statement
    from (
      select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.oid::regclass::text as name, c.relowner as owner,
        c.relacl as acl, c.relnamespace as namespace from pg_class as c where c.relkind in ('r', 'p', 'v', 'S')
      union all
      select 'routine', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)), p.pronamespace
      from pg_proc as p
      union all
      select 'schema', quote_ident(n.nspname), n.nspowner, n.nspacl, n.oid from pg_namespace as n
    ) as a
    join pg_namespace as n on n.oid = a.namespace
      and n.nspname in ('core', 'evidence', 'policy', 'proxy', 'outbox', 'ingress', 'rails', 'routing', 'ops')
    cross join lateral (select distinct x.grantee from aclexplode(a.acl) as x where x.grantee <> a.owner) as x
    left join pg_roles as r on r.oid = x.grantee
  loop
    execute v_acl.statement;
  end loop;
  -- TEMP would let a session shadow names; the database's name is known only here.
  execute format('revoke create, temporary on database %I from public', current_database());
end
$$;
revoke all on schema public from public;
-- Large objects would be unaudited storage.
revoke all on function pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea),
  pg_catalog.lo_put(oid, bigint, bytea), pg_catalog.lowrite(integer, bytea), pg_catalog.lo_open(oid, integer),
  pg_catalog.lo_unlink(oid) from public;
-- WAL written by nobody.
revoke all on function pg_catalog.pg_logical_emit_message(boolean, text, text, boolean),
  pg_catalog.pg_logical_emit_message(boolean, text, bytea, boolean) from public;
-- Advisory locks: the migration runner waits for one, and the lock table is finite.
revoke all on function pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(integer, integer),
  pg_catalog.pg_advisory_lock_shared(bigint), pg_catalog.pg_advisory_lock_shared(integer, integer),
  pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(integer, integer),
  pg_catalog.pg_advisory_xact_lock_shared(bigint), pg_catalog.pg_advisory_xact_lock_shared(integer, integer),
  pg_catalog.pg_try_advisory_lock(bigint), pg_catalog.pg_try_advisory_lock(integer, integer),
  pg_catalog.pg_try_advisory_lock_shared(bigint), pg_catalog.pg_try_advisory_lock_shared(integer, integer),
  pg_catalog.pg_try_advisory_xact_lock(bigint), pg_catalog.pg_try_advisory_xact_lock(integer, integer),
  pg_catalog.pg_try_advisory_xact_lock_shared(bigint), pg_catalog.pg_try_advisory_xact_lock_shared(integer, integer) from public;


-- 3. Schemas: to see a name one needs USAGE.
grant usage on schema core to symphony_evidence_owner, symphony_policy_owner, symphony_proxy_owner, symphony_outbox_owner,
  symphony_ingress_owner, symphony_rails_owner, symphony_routing_owner, symphony_ops_owner, symphony_policy_admin, symphony_auditor;
grant usage on schema evidence to symphony_policy_owner, symphony_proxy_owner, symphony_outbox_owner, symphony_ingress_owner,
  symphony_rails_owner, symphony_routing_owner, symphony_ops_owner, symphony_auditor, symphony_operator;
grant usage on schema policy to symphony_proxy_owner, symphony_outbox_owner, symphony_ingress_owner, symphony_ops_owner,
  symphony_evidence_owner, symphony_policy_admin, symphony_operator, symphony_ingest, symphony_executor, symphony_resolver;
grant usage on schema outbox to symphony_ingress_owner, symphony_rails_owner, symphony_ops_owner, symphony_evidence_owner,
  symphony_ingest, symphony_executor, symphony_resolver, symphony_maintainer, symphony_operator;
grant usage on schema ingress to symphony_ingest, symphony_status_reader, symphony_evidence_reader, symphony_operator, symphony_maintainer,
  symphony_ops_owner, symphony_evidence_owner;
grant usage on schema rails to symphony_executor, symphony_policy_admin, symphony_ops_owner, symphony_evidence_owner;
grant usage on schema routing to symphony_router, symphony_operator, symphony_policy_admin, symphony_evidence_owner;
grant usage on schema proxy to symphony_outbox_owner, symphony_ingress_owner, symphony_ops_owner, symphony_evidence_owner, symphony_resolver, symphony_maintainer;
grant usage on schema ops to symphony_maintainer;

-- 4. Contexts: a cross-context effect is an EXECUTE grant.
grant execute on function core.now(), core.epoch_us(timestamptz), core.commitment(text[]), core.raise_error(text, jsonb),
  core.uuidv7_floor(timestamptz), core.canonical_json(jsonb),
  core.canonical_number(numeric), core.get_cell(), core.require_session(), core.hold_cell(),
  core.create_month_partition(text, text, date), core.list_month_partitioned()
  to symphony_evidence_owner, symphony_policy_owner, symphony_proxy_owner, symphony_outbox_owner, symphony_ingress_owner,
  symphony_rails_owner, symphony_routing_owner, symphony_ops_owner;
grant execute on function core.list_reasons() to symphony_ingress_owner;
grant execute on function core.next_actions(text[]) to symphony_outbox_owner;
grant execute on function core.refuse_change()
  to symphony_evidence_owner, symphony_policy_owner, symphony_proxy_owner, symphony_outbox_owner, symphony_ingress_owner, symphony_rails_owner, symphony_routing_owner;
grant execute on function evidence.record_event(text, text, jsonb, text, uuid), evidence.open_cases(evidence.new_case[])
  to symphony_policy_owner, symphony_outbox_owner, symphony_rails_owner;
grant execute on function evidence.has_open_case(text, uuid) to symphony_outbox_owner;
grant execute on function policy.get_active() to symphony_ops_owner;
grant execute on function policy.get_active(), policy.known_participants(text[]),
  policy.decide(integer, date, policy.payment[])
  to symphony_outbox_owner, symphony_ingress_owner;
grant execute on function policy.list_rails(), policy.list_participant_caps(), policy.list_halts(), policy.release_usage(policy.usage[])
  to symphony_outbox_owner;
grant execute on function outbox.lock_participants(text[]), outbox.find_recorded(outbox.intent[]), outbox.enqueue_answered(integer, date, outbox.intent[], outbox.alias_answer[]),
  outbox.enqueue_batch(integer, date, outbox.intent[]), -- for the previous release's ingress.decide
 
  outbox.payload_sha256(text, text, text, text, bigint, text, text, text, uuid, boolean)
  to symphony_ingress_owner;
grant execute on function policy.list_proxy_rules(text[]) to symphony_proxy_owner, symphony_ingress_owner;
grant execute on function policy.list_receivers(text[]) to symphony_outbox_owner, symphony_ingress_owner;
grant execute on function core.next_actions(text[]) to symphony_outbox_owner;
grant execute on function outbox.is_beneficiary(text), outbox.alias_target_reason(text, text, text, text, text, boolean) to symphony_ingress_owner;
grant execute on function proxy.await_resolutions(proxy.awaiting[], text, uuid), proxy.list_held(text, text[], uuid[], uuid[]),
  proxy.record_proxy_resolutions(text, proxy.resolution[]), proxy.note_answers(proxy.resolution[], proxy.recorded_resolution[]),
  proxy.take_overdue(integer)
  to symphony_outbox_owner;
grant execute on function proxy.list_throttled(text[]), proxy.count_misses(text[]) to symphony_ingress_owner;
grant execute on function outbox.complete_outbox_attempts(text, outbox.result[]), outbox.report_late_answers(outbox.result[])
  to symphony_rails_owner;
-- The single enqueue asks for its own attestation, to which the foreign key leads anyway.
grant usage on schema ingress to symphony_outbox_owner;
grant execute on function ingress.find_accepted(text, uuid, text) to symphony_outbox_owner;
grant execute on function ingress.ensure_partitions(text, date), outbox.ensure_partitions(text, date),
  rails.ensure_partitions(text, date), proxy.ensure_partitions(text, date), evidence.ensure_partitions(text, date) to symphony_ops_owner;
grant execute on function evidence.record_event(text, text, jsonb, text, uuid) to symphony_ops_owner, symphony_ingress_owner;
grant execute on function evidence.list_timeline(text, text), outbox.instruction_status(text, text), policy.list_tenants() to symphony_ingress_owner;

-- 5. Capabilities: EXECUTE on named functions, nothing on tables.
-- outbox.instruction_status for symphony_ingest: the previous release (N-1) reads a status by it, unattested. It goes with the next release.
grant execute on function ingress.accept(ingress.item[]), ingress.accept_proven(ingress.item[], ingress.proof[]),
  ingress.accept_resolved(ingress.item[], ingress.proof[], outbox.alias_answer[]), policy.list_proxy_rules(text[]),
  ingress.get_registry_state(), ingress.list_client_certs(), ingress.list_signature_keys(),
  ingress.record_refusal_counts(ingress.refusal_count[]), ingress.record_service_event(text, jsonb), outbox.wake_executors(), outbox.instruction_status(text, text),
  outbox.enqueue_payment_outbox(text, uuid, text, text, text, text, bigint, text, timestamptz, text, text, text, uuid),
  policy.get_active()
  to symphony_ingest;
grant execute on function outbox.claim_outbox_batch(text, integer, text, interval), outbox.complete_outbox_attempts(text, outbox.result[]),
  outbox.extend_leases(text, outbox.lease[], interval), outbox.repair_expired_leases(integer),
  rails.record_answers(text, rails.answer[]), policy.get_active()
  to symphony_executor;
grant execute on function proxy.claim_resolutions(text, integer, interval), proxy.release_resolutions(text, proxy.lease[], interval), proxy.lookup(proxy.alias_key[]),
  outbox.read_leased_aliases(text, proxy.lease[]), outbox.record_resolutions(text, outbox.alias_answer[]), outbox.tend_resolutions(text, integer),
  outbox.wake_executors(), policy.get_active()
  to symphony_resolver;
grant execute on function policy.halt(policy.halt_scope, text, text, policy.halt_direction, text, text),
  policy.lift_halt(uuid, text, text), policy.list_halts(), evidence.open_case(text, text, uuid, jsonb, text),
  evidence.decide_case(text, uuid, text, text, text, text), outbox.erase_parties(text, text, text, text)
  to symphony_operator;
grant execute on function policy.propose(jsonb, text), policy.activate(integer, bytea, text), core.establish_cell(text, integer),
  core.publish_reason_taxonomy(jsonb, text),
  rails.publish_response_classes(jsonb, text), policy.get_active()
  to symphony_policy_admin;
grant execute on function ops.ensure_partitions(integer), ops.health(), ops.get_status(), ops.list_applied_files(),
  ops.record_drift(bytea, bytea, integer, text), outbox.repair_expired_leases(integer), outbox.tend_resolutions(text, integer),
  proxy.forget_expired(integer)
  to symphony_maintainer;
grant execute on function routing.record_health(routing.health_sample_input[]), routing.evaluate(text), routing.get_current() to symphony_router;
grant execute on function routing.begin_canary(routing.colour, text, text), routing.override(integer, text, text, interval),
  routing.lift_override(text, text), routing.abandon_canary(text, text), routing.promote(text, text), routing.get_current()
  to symphony_operator;
grant execute on function routing.publish_rules(jsonb, text, text) to symphony_policy_admin;
grant execute on function ingress.read_status(ingress.item, ingress.proof) to symphony_status_reader;
grant execute on function ingress.read_evidence(ingress.item, ingress.proof) to symphony_evidence_reader;
grant execute on function ingress.register_client(text, text, text, text),
  ingress.register_client_cert(text, bytea, bytea, text, timestamptz, timestamptz, text, text), ingress.revoke_client_cert(bytea, text, text),
  ingress.register_signature_key(text, text, text, text, timestamptz, timestamptz, text, text), ingress.retire_signature_key(text, text, text),
  ingress.end_revocation_source(bytea, text, text, text),
  ingress.publish_proof_rule(boolean, boolean, text, text, integer, text, text), ingress.get_registry_state(), ingress.list_client_certs(),
  ingress.list_signature_keys()
  to symphony_operator;
grant execute on function ingress.record_revocation_list(text, bytea, numeric, timestamptz, timestamptz, text[]), ingress.list_client_certs(),
  ingress.retire_seen()
  to symphony_maintainer;
grant execute on function core.uuidv7_floor(timestamptz) to symphony_auditor;

-- 6. Auditors read views; operators read the cases they decide and what they registered.
grant select on evidence.instruction_timeline, evidence.outcomes, evidence.refusals, evidence.attestations, evidence.instructions,
  evidence.attempts, evidence.rail_messages, evidence.events, evidence.case_ledger, evidence.decision_ledger, evidence.case_list,
  evidence.policy_history, evidence.halt_history, evidence.response_classes, evidence.reason_register, evidence.reason_taxonomy, evidence.routing_decisions,
  evidence.routing_rules, evidence.proof_rules, evidence.clients, evidence.client_certs, evidence.signature_keys, evidence.refusal_counts,
  evidence.revocation_readings, evidence.ended_revocation_sources, evidence.proxy_resolutions
  to symphony_auditor;
-- What is registered, ended long ago too: ingress.list_client_certs and its like leave that out.
grant select on evidence.case_list, evidence.reason_register, evidence.reason_taxonomy, evidence.client_certs, evidence.signature_keys to symphony_operator;

-- 7. The views' owner and the watch read the ledgers; they are NOLOGIN and reachable by no capability.
grant select on ingress.ingress_attestations, ingress.proof_rules, ingress.clients, ingress.client_certs, ingress.revoked_client_certs,
  ingress.signature_keys, ingress.retired_signature_keys, ingress.refusal_counts, ingress.revocation_readings,
  ingress.ended_revocation_sources, outbox.payment_instructions, outbox.idempotency_ledger, outbox.payment_outbox_attempts,
  rails.rail_messages, rails.response_classes, core.reasons, core.reason_taxonomy, policy.policy_versions, policy.halts,
  routing.routing_decisions, routing.rules, proxy.proxy_resolutions to symphony_evidence_owner;
grant select on outbox.payment_outbox_pending, outbox.payment_outbox_in_flight, proxy.resolution_queue, evidence.cases, evidence.case_decisions,
  evidence.evidence_events, core.cell, core.schema_migration, core.schema_repeatable, ingress.replay_horizon
  to symphony_ops_owner;
