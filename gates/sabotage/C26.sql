-- expects: outbox.payment_outbox_attempts
-- ALL takes the foreign keys' own triggers too.
alter table outbox.payment_outbox_attempts disable trigger all;
