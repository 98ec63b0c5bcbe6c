-- C16: a runtime role owns nothing
-- invariants: INV-010
-- severity: error
-- remedy: alter ... owner to the context's owner role
-- Runtime role: a symphony role that is no owner, and every role that is a member of one, superusers aside.
select pg_describe_object(d.classid, d.objid, d.objsubid), format('belongs to %s', r.rolname)
from pg_catalog.pg_shdepend as d
join pg_catalog.pg_roles as r on r.oid = d.refobjid and not r.rolsuper
where d.refclassid = 'pg_catalog.pg_authid'::regclass and d.deptype = 'o'
  and d.dbid in (0, (select b.oid from pg_catalog.pg_database as b where b.datname = current_database()))
  and exists (
    select from pg_catalog.pg_roles as c
    where c.rolname ~ '^symphony_' and c.rolname !~ '_owner$' and pg_has_role(r.oid, c.oid, 'MEMBER'));
