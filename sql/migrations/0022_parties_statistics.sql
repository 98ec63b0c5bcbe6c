-- What ANALYZE copied of the parties before 0020 told it not to: the statistics of the table, and of each leaf.
select pg_catalog.pg_clear_attribute_stats('outbox', 'instruction_parties', 'salt', true);
select pg_catalog.pg_clear_attribute_stats('outbox', 'instruction_parties', 'parties', true);
select pg_catalog.pg_clear_attribute_stats('outbox', c.relname, 'salt', false)
from pg_catalog.pg_inherits as i
join pg_catalog.pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'outbox.instruction_parties'::regclass;
select pg_catalog.pg_clear_attribute_stats('outbox', c.relname, 'parties', false)
from pg_catalog.pg_inherits as i
join pg_catalog.pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'outbox.instruction_parties'::regclass;
