-- expects: outbox.planted()
create function outbox.planted() returns void language plpgsql as 'begin truncate outbox.payment_outbox_pending; end';
