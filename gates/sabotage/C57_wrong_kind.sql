-- expects: outbox.instruction_parties
update core.month_partitioned set append_only = true where table_name = 'instruction_parties';
