-- ops: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('ops');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_maintainer:USAGE',
  'INV-005: who sees names in ops') from pg_namespace where nspname = 'ops';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('ops.drift_status()', 'plpgsql', 'volatile', 'definer', ''),
  ('ops.ensure_partitions(integer)', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ops.get_status()', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ops.health()', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ops.list_applied_files()', 'plpgsql', 'stable', 'definer', 'symphony_maintainer'),
  ('ops.record_drift(bytea,bytea,integer,text)', 'plpgsql', 'volatile', 'definer', 'symphony_maintainer'),
  ('ops.table_health()', 'plpgsql', 'volatile', 'definer', '');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('ops')$$, $$select * from expected_functions$$, 'INV-005: functions of ops and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
select is_empty($$select * from pg_temp.relations('ops')$$, 'INV-010: relations of ops and exactly who may read them');

select is_empty($$select * from pg_temp.columns('ops')$$, 'INV-004: columns of ops («?» may be null)');

select is_empty($$select * from pg_temp.constraints('ops')$$, 'INV-004: constraints of ops');

select is_empty($$select * from pg_temp.indexes('ops')$$, 'INV-004: indexes of ops besides keys');


select * from finish();
rollback;
