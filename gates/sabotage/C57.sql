-- expects: rails.rail_messages
delete from core.month_partitioned where table_name = 'rail_messages';
