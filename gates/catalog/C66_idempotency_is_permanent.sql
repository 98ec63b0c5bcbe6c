-- C66: the idempotency ledger and each of its leaves are unique by instruction id and by key, and outlive the queue
-- invariants: INV-011, INV-ATT-003
-- severity: error
-- remedy: restore the constraints by a new migration; the ledger is partitioned by hash, so no month is ever taken away from it
select t.relid::regclass::text, format('has no valid %s', w.definition)
from pg_partition_tree(to_regclass('outbox.idempotency_ledger')) as t
cross join (values ('PRIMARY KEY (participant_id, instruction_id)'), ('UNIQUE (participant_id, idempotency_key)')) as w(definition)
where not exists (
  select from pg_catalog.pg_constraint as k
  join pg_catalog.pg_index as i on i.indexrelid = k.conindid and i.indisvalid and i.indimmediate and i.indisunique
  where k.conrelid = t.relid and pg_get_constraintdef(k.oid) = w.definition)
union all
select 'outbox.idempotency_key_aliases', 'has no PRIMARY KEY (participant_id, idempotency_key)'
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = to_regclass('outbox.idempotency_key_aliases') and pg_get_constraintdef(k.oid) = 'PRIMARY KEY (participant_id, idempotency_key)')
union all
select 'outbox.idempotency_ledger', 'is not partitioned by hash of participant_id'
where to_regclass('outbox.idempotency_ledger') is null
  or pg_get_partkeydef(to_regclass('outbox.idempotency_ledger')) is distinct from 'HASH (participant_id)'
union all
select k.conrelid::regclass::text, format('%s ties the ledger to a row that may be retired', k.conname)
from pg_catalog.pg_constraint as k
where k.contype = 'f' and k.conrelid = to_regclass('outbox.idempotency_ledger');
