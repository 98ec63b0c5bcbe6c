-- expects: outbox.payment_instructions
update core.month_partitioned set key_column = 'attestation_id' where table_name = 'payment_instructions';
