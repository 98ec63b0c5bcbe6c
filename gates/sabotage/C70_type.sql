-- expects: type outbox.lease
grant usage on type outbox.lease to public;
