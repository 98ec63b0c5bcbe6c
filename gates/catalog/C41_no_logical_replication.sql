-- C41: no publication, subscription or logical slot carries rows out of the database, or into it past the triggers
-- invariants: INV-014, INV-LEAK-001
-- severity: error
-- remedy: drop publication, drop subscription, pg_drop_replication_slot
-- Physical slots are the DBA's: a standby (Patroni) has one and sees whole files only. A subscription applies in replica mode.
select 'publication ' || p.pubname, 'exists' from pg_catalog.pg_publication as p
union all
select 'subscription ' || s.subname, 'exists'
from pg_catalog.pg_subscription as s
join pg_catalog.pg_database as d on d.oid = s.subdbid and d.datname = current_database()
union all
select 'slot ' || s.slot_name, format('decodes this database with %s', s.plugin)
from pg_catalog.pg_replication_slots as s
where s.slot_type = 'logical' and s.database = current_database();
