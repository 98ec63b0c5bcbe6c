-- C76: every row of a ledger carries a commitment of 32 bytes and the transaction that wrote it
-- invariants: INV-EVID-001
-- severity: error
-- remedy: commitment bytea NOT NULL with CHECK (octet_length(commitment) = 32), recorded_xid xid8 NOT NULL, by a new migration
-- A sealer folds rows by recorded_xid; a row without either would be outside every proof.
select c.oid::regclass::text, w.flaw
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = 'commitment'
left join pg_catalog.pg_attribute as x on x.attrelid = c.oid and x.attname = 'recorded_xid'
cross join lateral (values
  ('commitment is missing', a.attnum is null),
  ('commitment may be null', not a.attnotnull),
  ('commitment has no CHECK for 32 bytes', not exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = c.oid and k.contype = 'c' and k.convalidated and k.conenforced
      and strpos(pg_get_constraintdef(k.oid), '(octet_length(commitment) = 32)') > 0)),
  ('recorded_xid is missing or may be null', x.attnotnull is not true)
) as w(flaw, found)
where c.relkind in ('r', 'p') and w.found
  and (a.attnum is not null or coalesce(pg_partition_root(c.oid), c.oid) in (
    to_regclass('ingress.ingress_attestations'), to_regclass('outbox.payment_instructions'), to_regclass('outbox.payment_outbox_attempts'),
    to_regclass('rails.rail_messages'), to_regclass('evidence.evidence_events'), to_regclass('evidence.cases'),
    to_regclass('evidence.case_decisions'), to_regclass('policy.halts'), to_regclass('routing.routing_decisions')));
