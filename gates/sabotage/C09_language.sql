-- expects: language plpgsql
grant usage on language plpgsql to symphony_executor;
