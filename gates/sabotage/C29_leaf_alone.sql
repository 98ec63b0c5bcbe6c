-- expects: outbox.payment_outbox_attempts_209901
-- A leaf whose index is not a part of the ledger's own: attached by hand, past the checks of ATTACH PARTITION.
drop index outbox.ux_attempts_one_terminal_per_outbox;
create table outbox.payment_outbox_attempts_209901 (like outbox.payment_outbox_attempts including defaults including constraints);
alter table outbox.payment_outbox_attempts attach partition outbox.payment_outbox_attempts_209901
  for values from ('0fffffff-0000-0000-0000-000000000000') to ('0fffffff-ffff-0000-0000-000000000000');
create unique index ux_attempts_one_terminal_per_outbox on only outbox.payment_outbox_attempts (participant_id, outbox_id)
  where state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');
