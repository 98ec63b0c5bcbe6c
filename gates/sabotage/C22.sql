-- expects: symphony_outbox_owner
alter default privileges for role symphony_outbox_owner grant execute on functions to public;
