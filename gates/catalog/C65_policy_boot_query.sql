-- C65: every service can ask which policy is ACTIVE, with its checksum, by one function
-- invariants: INV-016
-- severity: error
-- remedy: compare policy.get_active with sql/functions/policy, and its grants with sql/grants.sql
-- Comments, quoted names and literals with a space in them are taken out first; what C46 cannot look behind is red there.
select 'policy.get_active()', w.flaw
from (select to_regprocedure('policy.get_active()') as oid) as f
left join pg_catalog.pg_proc as p on p.oid = f.oid
cross join lateral regexp_replace(p.prosrc, '(''[^''\s]*'')|''([^'']|'''')*''|"([^"]|"")*"|--[^\n]*|/\*([^*]|\*+[^*/])*\*+/', '\1 ', 'g') as b(text)
cross join lateral (values
  ('is missing', p.oid is null),
  ('is no definer function', not p.prosecdef),
  ('does not read the version with status ACTIVE', strpos(b.text, 'where p.status = ''ACTIVE''') = 0),
  ('does not return policy_version and checksum', not ('policy_version' = any (p.proargnames) and 'checksum' = any (p.proargnames)))
) as w(flaw, found)
where w.found
union all
select 'policy.get_active()', format('%s may not execute it', r.rolname)
from pg_catalog.pg_roles as r
where r.rolname in ('symphony_ingest', 'symphony_executor', 'symphony_policy_admin')
  and not has_function_privilege(r.oid, to_regprocedure('policy.get_active()'), 'EXECUTE');
