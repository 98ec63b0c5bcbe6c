-- C40: the database reaches no other one: no wrapper, server, user mapping or foreign table
-- invariants: INV-004
-- severity: error
-- remedy: drop it: a definer function must not be able to send data elsewhere
select 'foreign-data wrapper ' || f.fdwname, 'exists' from pg_catalog.pg_foreign_data_wrapper as f
union all
select 'server ' || s.srvname, 'exists' from pg_catalog.pg_foreign_server as s
union all
select 'foreign table ' || t.ftrelid::regclass, 'exists' from pg_catalog.pg_foreign_table as t
union all
select 'user mapping on ' || m.srvname, format('for %s', m.usename) from pg_catalog.pg_user_mappings as m;
