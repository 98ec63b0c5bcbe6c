-- expects: outbox.participant_outbox_sequences
alter table outbox.participant_outbox_sequences enable replica trigger guard_sequence;
