-- C69: by constraint, what a rail once accepted is never queued to be sent again, and an enquiry follows a send
-- invariants: INV-UNC-001
-- severity: error
-- remedy: restore the constraint by a new migration
select 'outbox.payment_outbox_pending.' || w.name, 'is missing, or is not: ' || w.definition
from (values
  ('pending_accepted_is_not_sent_again', 'CHECK (((next_action = ''ENQUIRE''::outbox.next_action) OR (NOT acceptance_seen)))'),
  ('pending_enquiry_follows_a_send', 'CHECK (((next_action = ''DISPATCH''::outbox.next_action) OR (last_sent_at IS NOT NULL)))'),
  ('acceptance_seen', 'NOT NULL acceptance_seen'), ('next_action', 'NOT NULL next_action')
) as w(name, definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass('outbox.payment_outbox_pending') and pg_get_constraintdef(k.oid) = w.definition
    and k.convalidated and k.conenforced and (k.contype = 'n' or k.conname = w.name));
