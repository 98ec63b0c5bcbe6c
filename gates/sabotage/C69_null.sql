-- expects: outbox.payment_outbox_pending.acceptance_seen
-- NOT NULL is what makes the CHECK say no.
alter table outbox.payment_outbox_pending alter column acceptance_seen drop not null;
