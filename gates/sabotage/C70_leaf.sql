-- expects: leaves of outbox.payment_instructions
do $$
begin
  execute format('grant select on %s to symphony_evidence_owner',
    (select max(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.payment_instructions'::regclass));
end
$$;
