-- Carried from the queue and back, so that a retry knows its resolution.
alter table outbox.payment_outbox_in_flight
  add column requires_proxy boolean not null default false,
  add column resolution_id uuid,
  add column resolved_until timestamptz;
