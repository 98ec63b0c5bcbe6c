-- expects: outbox.payment_outbox_in_flight.lease_token
alter table outbox.payment_outbox_in_flight alter column lease_token drop not null;
