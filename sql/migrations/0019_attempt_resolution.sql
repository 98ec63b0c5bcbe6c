-- Which resolution a dispatch rests on.
alter table outbox.payment_outbox_attempts add column resolution_id uuid;
