-- C29: the attempts' ledger and each of its leaves allow one terminal row per instruction
-- invariants: INV-OUTBOX-02
-- severity: error
-- remedy: restore unique index ux_attempts_one_terminal_per_outbox (participant_id, outbox_id) over all four terminal states
-- Exact columns, exact predicate, unique, immediate, valid; on a leaf it must be a part of the ledger's own index.
with wanted(relation) as (
  select t.relid from pg_partition_tree(to_regclass('outbox.payment_outbox_attempts')) as t
), held as (
  select i.indrelid
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_am as m on m.oid = c.relam and m.amname = 'btree'
  left join pg_catalog.pg_inherits as h on h.inhrelid = i.indexrelid
  where i.indisunique and i.indimmediate and i.indisvalid and i.indisready and i.indislive and i.indexprs is null
    and i.indnatts = 2 and i.indnkeyatts = 2
    and pg_get_indexdef(i.indexrelid, 1, false) = 'participant_id' and pg_get_indexdef(i.indexrelid, 2, false) = 'outbox_id'
    and pg_get_expr(i.indpred, i.indrelid) = '(state = ANY (ARRAY[''DISPATCHED''::outbox.attempt_state, '
      '''FAILED''::outbox.attempt_state, ''VOIDED''::outbox.attempt_state, ''PENDING_MANUAL''::outbox.attempt_state]))'
    and to_regclass('outbox.ux_attempts_one_terminal_per_outbox') in (i.indexrelid, h.inhparent)
)
select w.relation::regclass::text, 'no valid unique index (participant_id, outbox_id) over exactly the four terminal states'
from wanted as w
where w.relation not in (select h.indrelid from held as h)
union all
select 'outbox.payment_outbox_attempts', 'is missing'
where to_regclass('outbox.payment_outbox_attempts') is null
union all
select 'outbox.attempt_state', format('its values are %s: decide whether a new one is terminal, then change the index, DESIGN and this gate',
  string_agg(e.enumlabel, ', ' order by e.enumsortorder))
from pg_catalog.pg_enum as e
where e.enumtypid = to_regtype('outbox.attempt_state')
having array_agg(e.enumlabel::text order by e.enumsortorder) is distinct from
  array['DISPATCHING', 'RETRYABLE', 'ZOMBIE_REQUEUE', 'DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL'];
