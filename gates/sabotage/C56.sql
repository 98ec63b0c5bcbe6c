-- expects: outbox.payment_outbox_attempts_2
do $$
begin
  execute format('drop trigger refuse_truncate on %s',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_outbox_attempts'::regclass));
end
$$;
