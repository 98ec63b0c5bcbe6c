-- expects: outbox.instruction_parties_2
do $$
begin
  execute format('create trigger planted before insert on %s for each row execute function core.refuse_change()',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.instruction_parties'::regclass));
end
$$;
