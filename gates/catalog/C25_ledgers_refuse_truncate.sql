-- C25: every table and leaf whose rows are guarded refuses TRUNCATE by an ALWAYS trigger
-- invariants: INV-014
-- severity: error
-- remedy: create trigger refuse_truncate before truncate ... execute function core.refuse_change() and ENABLE ALWAYS it
-- PostgreSQL passes row triggers on to leaves but not TRUNCATE triggers. Guarded: a BEFORE UPDATE OR DELETE row trigger (C24).
select c.oid::regclass::text, 'no enabled ALWAYS trigger BEFORE TRUNCATE calls core.refuse_change'
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where exists (
    select from pg_catalog.pg_trigger as t
    where t.tgrelid in (c.oid, pg_partition_root(c.oid)) and not t.tgisinternal and t.tgtype & 27 = 27)
  and not exists (
    select from pg_catalog.pg_trigger as t
    where t.tgrelid = c.oid and t.tgenabled = 'A' and t.tgtype & 35 = 34 and t.tgqual is null
      and t.tgfoid = to_regproc('core.refuse_change'));
