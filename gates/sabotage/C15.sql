-- expects: symphony_executor
grant symphony_outbox_owner to symphony_executor with inherit false, set true;
