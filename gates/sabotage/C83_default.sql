-- expects: default of policy.halts.reason
alter table policy.halts alter column reason set default pg_read_file('x');
