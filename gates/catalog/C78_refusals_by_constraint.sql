-- C78: what ledgers and limits refuse by constraint, they still refuse
-- invariants: INV-ATT-001, INV-CASE-001, INV-HALT-001, INV-LIMIT-001
-- severity: error
-- remedy: restore the constraint by a new migration
-- A CHECK lets NULL pass, so NOT NULL stands beside it where the rule needs it.
select w.relation || '.' || w.name, 'is missing, or is not: ' || w.definition
from (values
  ('evidence.case_decisions', 'case_decision_needs_two_identities', 'CHECK (((maker <> checker) AND (maker <> ''''::text) AND (checker <> ''''::text)))'),
  ('evidence.case_decisions', 'maker', 'NOT NULL maker'),
  ('evidence.case_decisions', 'checker', 'NOT NULL checker'),
  ('evidence.case_decisions', 'case_decisions_participant_id_case_id_fkey', 'FOREIGN KEY (participant_id, case_id) REFERENCES evidence.cases(participant_id, case_id)'),
  ('policy.halts', 'halt_operator_is_named', 'CHECK ((((length(operator) >= 1) AND (length(operator) <= 100)) AND ((length(reason) >= 1) AND (length(reason) <= 500))))'),
  ('policy.halts', 'operator', 'NOT NULL operator'),
  ('policy.halts', 'reason', 'NOT NULL reason'),
  ('policy.halts', 'halt_scope_has_its_subject', 'CHECK ((((scope = ''RAIL''::policy.halt_scope) = (rail IS NOT NULL)) AND ((scope = ''PARTICIPANT''::policy.halt_scope) = (participant_id IS NOT NULL))))'),
  ('policy.halts_in_force', 'halts_in_force_once', 'UNIQUE NULLS NOT DISTINCT (scope, rail, participant_id, direction)'),
  ('policy.limit_usage', 'limit_usage_is_never_negative', 'CHECK (((value_minor >= 0) AND (item_count >= 0)))'),
  ('policy.limit_usage', 'value_minor', 'NOT NULL value_minor'),
  ('policy.limit_usage', 'item_count', 'NOT NULL item_count'),
  ('ingress.ingress_attestations', 'decision', 'NOT NULL decision'),
  ('ingress.ingress_attestations', 'attestation_accept_names_its_instruction', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((outbox_id IS NOT NULL) AND (instruction_id IS NOT NULL))))'),
  ('ingress.ingress_attestations', 'attestation_accept_names_its_policy', 'CHECK (((decision <> ''ACCEPT''::ingress.decision) OR ((policy_version IS NOT NULL) AND (policy_checksum IS NOT NULL))))'),
  ('ingress.ingress_attestations', 'attestation_facts_are_complete', 'CHECK (((decision = ''REJECT''::ingress.decision) OR ((body_sha256 IS NOT NULL) AND (db_role IS NOT NULL) AND (correlation_id IS NOT NULL) AND (received_at IS NOT NULL) AND (verified_at IS NOT NULL))))'),
  ('ingress.ingress_attestations', 'attestation_reject_has_a_reason', 'CHECK (((decision = ''REJECT''::ingress.decision) = (reason_code IS NOT NULL)))'),
  ('outbox.payment_instructions', 'instruction_amount_is_positive', 'CHECK ((amount_minor > 0))'),
  ('outbox.payment_outbox_attempts', 'dispatched_has_a_rail_reference', 'CHECK (((state <> ''DISPATCHED''::outbox.attempt_state) OR (rail_reference IS NOT NULL)))'),
  ('outbox.instruction_parties', 'parties_are_whole_or_erased', 'CHECK ((((erased_at IS NULL) = (salt IS NOT NULL)) AND ((erased_at IS NULL) = (parties IS NOT NULL))))')
) as w(relation, name, definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass(w.relation) and pg_get_constraintdef(k.oid) = w.definition and k.convalidated and k.conenforced
    and (k.contype = 'n' or k.conname = w.name));
