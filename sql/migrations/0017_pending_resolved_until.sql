-- runner: nontransactional
create index concurrently ix_pending_resolved_until on outbox.payment_outbox_pending (resolved_until) where resolved_until is not null;
