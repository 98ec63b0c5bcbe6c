-- expects: schema outbox
grant create on schema outbox to symphony_executor;
