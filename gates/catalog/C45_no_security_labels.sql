-- C45: no security label stands on anything of the database
-- invariants: INV-004
-- severity: error
-- remedy: security label for ... is null; Symphony's rules stand in grants, where the other gates see them
-- Decided: there is no label provider on our servers, so a label is either left over or an attempt.
select l.objtype || ' ' || l.objname, format('label %s by provider %s', l.label, l.provider)
from pg_catalog.pg_seclabels as l;
