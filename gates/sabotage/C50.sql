-- expects: outbox.payment_instructions_2
do $$
begin
  execute format('grant select on %s to symphony_evidence_owner',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_instructions'::regclass));
end
$$;
