-- expects: outbox.payment_instructions.foreign key
alter table outbox.payment_instructions drop constraint payment_instructions_participant_id_attestation_id_fkey;
