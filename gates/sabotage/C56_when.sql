-- expects: outbox.payment_outbox_attempts_2
-- A clone's WHEN changed by hand; that it speaks of NEW must not keep the gate from looking.
create trigger planted before insert on outbox.payment_outbox_attempts for each row when (new.attempt_no > 0) execute function core.refuse_change();
update pg_catalog.pg_trigger set tgqual = null where tgname = 'planted'
  and tgrelid = (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_outbox_attempts'::regclass)::regclass;
