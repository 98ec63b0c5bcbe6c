-- expects: evidence.planted
create materialized view evidence.planted as select i.outbox_id from outbox.payment_instructions as i;
