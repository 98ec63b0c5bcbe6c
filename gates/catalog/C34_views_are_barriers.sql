-- C34: views read with their caller's rights, except the auditors' views, which are security barriers of one owner
-- invariants: INV-010, INV-EVID-001
-- severity: error
-- remedy: create view ... with (security_barrier = true) in schema evidence; elsewhere with (security_invoker = true)
-- Decided: auditors have no right on a ledger, so their views must read as symphony_evidence_owner; security_barrier keeps an
-- auditor's own conditions from seeing rows that a view leaves out. A materialized view would be a second, older truth.
select c.oid::regclass::text, case
    when c.relkind = 'm' then 'is a materialized view'
    when n.nspname = 'evidence' then 'is no security barrier'
    else 'reads with its owner''s rights outside schema evidence' end
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
where c.relkind = 'm' or (c.relkind = 'v' and not exists (
  select from pg_options_to_table(c.reloptions) as o
  where o.option_name = case n.nspname when 'evidence' then 'security_barrier' else 'security_invoker' end
    and o.option_value in ('true', 'on', 'yes', '1')));
