-- expects: symphony_outbox_owner
alter role symphony_outbox_owner bypassrls;
