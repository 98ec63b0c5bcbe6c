-- expects: outbox.payment_outbox_in_flight
update pg_catalog.pg_class set relchecks = 0 where oid = 'outbox.payment_outbox_in_flight'::regclass;
