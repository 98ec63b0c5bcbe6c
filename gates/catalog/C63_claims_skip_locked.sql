-- C63: the functions that take work pick bounded, due rows in a materialized step with SKIP LOCKED
-- invariants: INV-012, INV-BATCH-002
-- severity: error
-- remedy: compare the function with sql/functions/outbox; LIMIT with SKIP LOCKED inside a join is not a limit
-- Comments, quoted names and literals with a space in them are taken out first; what C46 cannot look behind is red there.
-- Structural proof only: that the text which carries the rule is there. driver/tests/test_claim_bounds.py shows that it holds.
with body as (
  select n.nspname || '.' || p.proname as name, regexp_replace(regexp_replace(p.prosrc,
    '(''[^''\s]*'')|''([^'']|'''')*''|"([^"]|"")*"|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/', '\1 ', 'g'), '\s+', ' ', 'g') as text
  from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
)
select w.name, 'its body does not hold: ' || w.text
from (values
  ('outbox.claim_outbox_batch', 'with due as materialized ('),
  ('outbox.claim_outbox_batch', 'where p.rail = p_rail and p.due_at <= v_now'),
  ('outbox.claim_outbox_batch', 'limit v_room.free for update skip locked )'),
  ('outbox.claim_outbox_batch', 'v_room := outbox.open_claim_gate(p_rail => p_rail, p_limit => p_limit);'),
  ('outbox.claim_outbox_batch', 'perform outbox.check_worker_call('),
  ('outbox.open_claim_gate', 'perform from outbox.claim_gate as g where g.rail = ''*'' for update;'),
  ('outbox.repair_expired_leases', 'with expired as materialized ('),
  ('outbox.repair_expired_leases', 'where f.lease_expires_at <= v_now order by f.lease_expires_at limit p_limit for update skip locked )')
) as w(name, text)
where not exists (select from body as b where b.name = w.name and strpos(b.text, w.text) > 0);
