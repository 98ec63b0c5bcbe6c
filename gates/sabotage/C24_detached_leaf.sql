-- expects: outbox.payment_outbox_attempts_2
do $$
begin
  execute format('alter table outbox.payment_outbox_attempts detach partition %s',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_outbox_attempts'::regclass));
end
$$;
