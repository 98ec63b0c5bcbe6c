-- expects: outbox.attempt_state
alter type outbox.attempt_state owner to symphony_executor;
