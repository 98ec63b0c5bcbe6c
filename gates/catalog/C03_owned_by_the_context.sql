-- C03: everything in a context's schema belongs to the context's owner role
-- invariants: INV-005, INV-010
-- severity: error
-- remedy: alter ... owner to symphony_<context>_owner in the object's file, or in a new migration
-- Exception: the runner's two ledgers may belong to a superuser, for migrations are run by one and its name varies; they
-- are append-only by trigger (C24).
select o.identity, format('belongs to %s, its schema to %s', pg_get_userbyid(o.owner), pg_get_userbyid(n.nspowner))
from (
  select p.oid::regprocedure::text as identity, p.pronamespace as namespace, p.proowner as owner, false as may_be_superusers
  from pg_catalog.pg_proc as p
  union all
  select c.oid::regclass::text, c.relnamespace, c.relowner,
    c.oid in (to_regclass('core.schema_migration'), to_regclass('core.schema_repeatable'))
  from pg_catalog.pg_class as c where c.relkind not in ('i', 'I')
  union all
  -- Array, multirange and row types follow what they are made for.
  select t.oid::regtype::text, t.typnamespace, t.typowner, false
  from pg_catalog.pg_type as t where t.typtype in ('e', 'd', 'r', 'b') and t.typcategory <> 'A'
) as o
join pg_catalog.pg_namespace as n on n.oid = o.namespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
join pg_catalog.pg_roles as r on r.oid = o.owner
where o.owner <> n.nspowner and not (o.may_be_superusers and r.rolsuper);
