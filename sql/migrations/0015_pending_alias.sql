-- Nullable or with a constant default: no row is touched. The constraint is validated by the next file.
alter table outbox.payment_outbox_pending
  add column requires_proxy boolean not null default false,
  add column resolution_id uuid,
  add column resolved_until timestamptz,
  add constraint pending_alias_is_resolved_before_it_is_due check (
    not requires_proxy or next_action = 'ENQUIRE' or due_at = 'infinity' or (resolution_id is not null and resolved_until is not null)) not valid;
