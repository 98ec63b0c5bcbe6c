-- C68: an instruction refers to its attestation, and a queue row names the attestation it came from
-- invariants: INV-ATT-002, INV-ACK-001
-- severity: error
-- remedy: restore the constraint by a new migration
select w.relation || '.' || w.name, 'is missing, or is not: ' || w.definition
from (values
  ('outbox.payment_instructions', 'attestation_id', 'NOT NULL attestation_id'),
  ('outbox.payment_instructions', 'foreign key', 'FOREIGN KEY (participant_id, attestation_id) REFERENCES ingress.ingress_attestations(participant_id, attestation_id)'),
  ('outbox.payment_outbox_attempts', 'foreign key', 'FOREIGN KEY (participant_id, outbox_id) REFERENCES outbox.payment_instructions(participant_id, outbox_id)'),
  ('outbox.payment_outbox_pending', 'parent_attestation_id', 'NOT NULL parent_attestation_id'),
  ('outbox.payment_outbox_pending', 'pending_sequence_once', 'PRIMARY KEY (participant_id, sequence_id)'),
  ('outbox.payment_outbox_in_flight', 'parent_attestation_id', 'NOT NULL parent_attestation_id')
) as w(relation, name, definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass(w.relation) and pg_get_constraintdef(k.oid) = w.definition and k.convalidated and k.conenforced);
