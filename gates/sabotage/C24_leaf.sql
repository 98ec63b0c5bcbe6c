-- expects: outbox.payment_outbox_attempts_2
do $$
begin
  execute format('alter table %s disable trigger refuse_change',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_outbox_attempts'::regclass));
end
$$;
