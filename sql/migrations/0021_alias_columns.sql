-- What 0015 to 0020 added, each alone so that no lock waits for another.
comment on column outbox.payment_outbox_pending.requires_proxy is 'The creditor is named by an alias: not dispatched without a resolution that has not expired.';
comment on column outbox.payment_outbox_pending.resolution_id is 'The resolution (proxy.proxy_resolutions) whose beneficiary is to be paid; none while due_at is infinity.';
comment on column outbox.payment_outbox_pending.resolved_until is 'Until when the resolution may be dispatched on.';
comment on column outbox.payment_outbox_in_flight.resolution_id is 'The resolution whose beneficiary this dispatch pays.';
comment on column outbox.payment_outbox_attempts.resolution_id is 'DISPATCHING: the resolution whose beneficiary is paid; part of the commitment when there is one.';
comment on column outbox.instruction_parties.beneficiary is 'RFC 8785 JSON of whom the alias stood for when it was resolved; erased with the parties.';
