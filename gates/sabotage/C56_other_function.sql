-- expects: rails.rail_messages_2
do $$
begin
  execute format('create or replace trigger refuse_truncate before truncate on %s for each statement execute function policy.guard_version()',
    (select min(i.inhrelid::regclass::text) from pg_catalog.pg_inherits as i where i.inhparent = 'rails.rail_messages'::regclass));
end
$$;
