-- C08: the database has no untrusted language beside C and internal
-- invariants: INV-006
-- severity: error
-- remedy: drop language (or its extension): a body in it runs as the server's account
select 'language ' || l.lanname, 'is untrusted'
from pg_catalog.pg_language as l
where not l.lanpltrusted and l.lanname not in ('internal', 'c');
