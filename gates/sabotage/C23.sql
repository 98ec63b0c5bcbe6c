-- expects: default of symphony_outbox_owner
alter default privileges for role symphony_outbox_owner grant select on tables to symphony_auditor;
