-- expects: outbox.payment_outbox_pending
update pg_catalog.pg_class set relhasindex = false where oid = 'outbox.payment_outbox_pending'::regclass;
