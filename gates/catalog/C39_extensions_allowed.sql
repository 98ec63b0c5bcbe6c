-- C39: the only extension is plpgsql
-- invariants: INV-004
-- severity: error
-- remedy: drop extension, or decide for it: DESIGN, a migration, this list
-- pgTAP is allowed in schema tap, where test databases have it and nothing of ours looks.
select 'extension ' || e.extname, format('in schema %s', e.extnamespace::regnamespace)
from pg_catalog.pg_extension as e
where (e.extname::text, e.extnamespace::regnamespace::text) not in (('plpgsql', 'pg_catalog'), ('pgtap', 'tap'));
