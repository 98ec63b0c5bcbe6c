-- Types belong to their context like everything else, and nobody builds on them unasked: PUBLIC has USAGE on new types.
-- A session that meets one of these types for the first time waits until this transaction ends.
alter type policy.version_status owner to symphony_policy_owner;
alter type policy.participant_status owner to symphony_policy_owner;
alter type policy.halt_scope owner to symphony_policy_owner;
alter type policy.halt_direction owner to symphony_policy_owner;
alter type policy.payment owner to symphony_policy_owner;
alter type policy.usage owner to symphony_policy_owner;
alter type ingress.decision owner to symphony_ingress_owner;
alter type ingress.pop_mode owner to symphony_ingress_owner;
alter type ingress.item owner to symphony_ingress_owner;
alter type outbox.attempt_state owner to symphony_outbox_owner;
alter type outbox.next_action owner to symphony_outbox_owner;
alter type outbox.answer_class owner to symphony_outbox_owner;
alter type outbox.intent owner to symphony_outbox_owner;
alter type outbox.recorded owner to symphony_outbox_owner;
alter type outbox.outcome owner to symphony_outbox_owner;
alter type outbox.result owner to symphony_outbox_owner;
alter type outbox.lease owner to symphony_outbox_owner;
alter type outbox.claim_room owner to symphony_outbox_owner;
alter type rails.phase owner to symphony_rails_owner;
alter type rails.answer owner to symphony_rails_owner;
alter type evidence.new_case owner to symphony_evidence_owner;

revoke all on type policy.version_status, policy.participant_status, policy.halt_scope, policy.halt_direction, policy.payment, policy.usage,
  ingress.decision, ingress.pop_mode, ingress.item, outbox.attempt_state, outbox.next_action, outbox.answer_class, outbox.intent,
  outbox.recorded, outbox.outcome, outbox.result, outbox.lease, outbox.claim_room, rails.phase, rails.answer, evidence.new_case from public;
-- The leaves of rails.rail_messages and rails.response_classes have a column of this type.
grant usage on type outbox.answer_class to symphony_rails_owner;

-- Types made from now on.
alter default privileges for role symphony_core_owner revoke usage on types from public;
alter default privileges for role symphony_evidence_owner revoke usage on types from public;
alter default privileges for role symphony_policy_owner revoke usage on types from public;
alter default privileges for role symphony_proxy_owner revoke usage on types from public;
alter default privileges for role symphony_outbox_owner revoke usage on types from public;
alter default privileges for role symphony_ingress_owner revoke usage on types from public;
alter default privileges for role symphony_rails_owner revoke usage on types from public;
alter default privileges for role symphony_routing_owner revoke usage on types from public;
alter default privileges for role symphony_ops_owner revoke usage on types from public;
