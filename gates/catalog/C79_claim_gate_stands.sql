-- C79: the claim gate has its row, and the index a claim reads in order is there
-- invariants: INV-012
-- severity: error
-- remedy: insert into outbox.claim_gate values ('*', '-infinity', '-infinity'); restore ix_pending_due by a new migration
-- Without the row nothing is claimed at all (SX402); without the index every claim reads the whole queue under the gate's lock.
select 'outbox.claim_gate', 'has no row «*»'
where not exists (select from outbox.claim_gate as g where g.rail = '*')
union all
select 'outbox.ix_pending_due', 'is missing, or does not begin with (rail, due_at)'
where not exists (
  select from pg_catalog.pg_index as i
  where i.indexrelid = to_regclass('outbox.ix_pending_due') and i.indrelid = to_regclass('outbox.payment_outbox_pending')
    and i.indisvalid and i.indisready and i.indpred is null
    and pg_get_indexdef(i.indexrelid, 1, false) = 'rail' and pg_get_indexdef(i.indexrelid, 2, false) = 'due_at');
