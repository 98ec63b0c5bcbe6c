-- expects: outbox.payment_outbox_pending
alter table outbox.payment_outbox_pending set unlogged;
