-- expects: outbox.payment_instructions
update pg_catalog.pg_class set relhastriggers = false where oid = 'outbox.payment_instructions'::regclass;
