-- expects: outbox.planted
create view outbox.planted with (security_barrier = true) as select i.outbox_id from outbox.payment_instructions as i;
