-- expects: evidence.planted
do $$
begin
  execute format('create view evidence.planted with (security_barrier = true) as select parties from %s',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'outbox.instruction_parties'::regclass));
end
$$;
