-- expects: evidence.outcomes
grant select on evidence.outcomes to symphony_executor;
