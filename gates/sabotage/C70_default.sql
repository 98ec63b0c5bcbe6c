-- expects: default privileges of symphony_rails_owner
alter default privileges for role symphony_rails_owner grant usage on types to symphony_executor;
