-- runner: nontransactional
alter table outbox.payment_outbox_pending validate constraint pending_alias_is_resolved_before_it_is_due;
