-- expects: policy.halts.operator
update pg_catalog.pg_attribute set attnotnull = false where attrelid = 'policy.halts'::regclass and attname = 'operator';
