-- C42: the database holds no large object
-- invariants: INV-014
-- severity: error
-- remedy: look at what it is and who owns it, then lo_unlink: large objects are storage that no ledger sees
select 'large object of ' || pg_get_userbyid(m.lomowner), format('%s of them', count(*))
from pg_catalog.pg_largeobject_metadata as m
group by m.lomowner;
