-- expects: symphony_auditor
grant pg_read_all_data to symphony_auditor;
