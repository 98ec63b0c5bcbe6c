-- expects: policy.halts.entry_id
update pg_catalog.pg_attribute set atthasdef = false where attrelid = 'policy.halts'::regclass and attname = 'entry_id';
