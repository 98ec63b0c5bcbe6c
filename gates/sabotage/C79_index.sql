-- expects: outbox.ix_pending_due
drop index outbox.ix_pending_due;
create index ix_pending_due on outbox.payment_outbox_pending (due_at);
