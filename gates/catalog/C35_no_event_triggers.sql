-- C35: the database has no event trigger
-- invariants: INV-004, INV-006
-- severity: error
-- remedy: drop event trigger: it runs code inside every migration
select e.evtname::text, format('event trigger on %s, enabled %s, calls %s', e.evtevent, e.evtenabled, e.evtfoid::regproc)
from pg_catalog.pg_event_trigger as e;
