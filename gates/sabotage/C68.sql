-- expects: outbox.payment_outbox_pending.parent_attestation_id
alter table outbox.payment_outbox_pending alter column parent_attestation_id drop not null;
