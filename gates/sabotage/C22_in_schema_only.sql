-- expects: symphony_outbox_owner
alter default privileges for role symphony_outbox_owner grant execute on functions to public;
alter default privileges for role symphony_outbox_owner in schema outbox grant execute on functions to symphony_outbox_owner;
alter default privileges for role symphony_outbox_owner in schema outbox revoke execute on functions from public;
