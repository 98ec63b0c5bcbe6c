-- Every privilege there is, one row each: object, grantee, privilege. gates/acl.py compares it with gates/expected_acl.txt.
-- What differs between servers is left out or said without a name: a superuser is «superuser», the leaves of a table are one
-- object, CONNECT is the DBA's, memberships of logins are C13 to C15. An owner that holds exactly what PostgreSQL gives owners
-- holds ALL. Of PostgreSQL's own objects only what PUBLIC or a role of ours holds otherwise than after initdb is said.
with owned(object, owner, acl, defaults) as (
  select 'schema ' || n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)), acldefault('n', n.nspowner)
  from pg_catalog.pg_namespace as n
  where pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  union all
  select case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence ' when 'f' then 'foreign table ' else 'table ' end
      || c.oid::regclass, c.relowner, coalesce(c.relacl, d.acl), d.acl
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  cross join lateral (select acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner) as acl) as d
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition
  union all
  select 'leaves of ' || pg_partition_root(c.oid), c.relowner, coalesce(c.relacl, acldefault('r', c.relowner)), acldefault('r', c.relowner)
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  where c.relispartition and c.relkind in ('r', 'p', 'f')
  union all
  select 'column ' || coalesce(pg_partition_root(c.oid), c.oid)::regclass || '.' || a.attname, c.relowner, a.attacl, acldefault('c', c.relowner)
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  where a.attacl is not null
  union all
  select case p.prokind when 'p' then 'procedure ' else 'function ' end || p.oid::regprocedure, p.proowner,
    coalesce(p.proacl, acldefault('f', p.proowner)), acldefault('f', p.proowner)
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  union all
  -- Not the types that come with a table or another type, unless something was granted on them.
  select 'type ' || t.oid::regtype, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner)), acldefault('T', t.typowner)
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace and pg_get_userbyid(n.nspowner) ~ '^symphony_[a-z]+_owner$'
  where t.typacl is not null or (t.typtype in ('d', 'e', 'r') and t.typcategory <> 'A')
    or exists (select from pg_catalog.pg_class as c where c.oid = t.typrelid and c.relkind = 'c')
), held(object, grantee, is_owner, privilege, grantable) as (
  select o.object, x.grantee, x.grantee = o.owner, x.privilege_type, x.is_grantable
  from owned as o cross join lateral aclexplode(o.acl) as x
  where x.grantee <> o.owner
  union all
  select o.object, o.owner, true, coalesce(x.privilege_type, 'ALL'), false
  from owned as o
  cross join lateral (
    select array_agg(e.privilege_type order by e.privilege_type collate "C") filter (where e.grantee = o.owner) as held from aclexplode(o.acl) as e) as h
  cross join lateral (
    select array_agg(e.privilege_type order by e.privilege_type collate "C") filter (where e.grantee = o.owner) as held from aclexplode(o.defaults) as e) as d
  left join lateral unnest(coalesce(h.held, array['NOTHING'])) as x(privilege_type) on h.held is distinct from d.held
  where o.object !~ '^column '
  union all
  select 'database', x.grantee, false, x.privilege_type, x.is_grantable
  from pg_catalog.pg_database as b cross join lateral aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) as x
  where b.datname = current_database() and x.privilege_type <> 'CONNECT' and x.grantee <> b.datdba
  union all
  select format('default privileges of %s on %s%s', case when r.rolsuper then 'superuser' else r.rolname end,
      case a.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
        when 'n' then 'schemas' else 'large objects' end,
      case when a.defaclnamespace <> 0 then ' in schema ' || a.defaclnamespace::regnamespace else '' end),
    coalesce(x.grantee, a.defaclrole), false, coalesce(x.privilege_type, 'NOTHING'), coalesce(x.is_grantable, false)
  from pg_catalog.pg_default_acl as a
  join pg_catalog.pg_roles as r on r.oid = a.defaclrole
  left join lateral aclexplode(a.defaclacl) as x on true
  union all
  select 'role ' || g.rolname, m.member, false, format('MEMBER (inherit %s, set %s)', m.inherit_option, m.set_option), m.admin_option
  from pg_catalog.pg_auth_members as m
  join pg_catalog.pg_roles as g on g.oid = m.roleid
  join pg_catalog.pg_roles as u on u.oid = m.member
  where (g.rolname ~ '^symphony_' or u.rolname ~ '^symphony_') and not u.rolcanlogin
), stock(object, acl, initial) as (
  select case when o.kind = 'function' then 'function pg_catalog.' || o.oid::regprocedure
      when o.kind = 'relation' then 'relation pg_catalog.' || o.name else o.kind || ' ' || o.name end,
    coalesce(o.acl, o.defaults), coalesce(i.initprivs, o.defaults)
  from (
    select 'pg_catalog.pg_proc'::regclass as classid, 'function' as kind, p.oid, p.proname as name,
      p.proacl as acl, acldefault('f', p.proowner) as defaults
    from pg_catalog.pg_proc as p where p.pronamespace = 'pg_catalog'::regnamespace
    union all
    select 'pg_catalog.pg_class'::regclass, 'relation', c.oid, c.relname, c.relacl, acldefault('r', c.relowner)
    from pg_catalog.pg_class as c
    where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v', 'p', 'm')
    union all
    select 'pg_catalog.pg_language'::regclass, 'language', l.oid, l.lanname, l.lanacl, acldefault('l', l.lanowner)
    from pg_catalog.pg_language as l where l.lanpltrusted
    union all
    select 'pg_catalog.pg_namespace'::regclass, 'schema', n.oid, n.nspname, n.nspacl, acldefault('n', n.nspowner)
    from pg_catalog.pg_namespace as n where n.nspname in ('public', 'pg_catalog')
  ) as o
  left join pg_catalog.pg_init_privs as i on i.classoid = o.classid and i.objoid = o.oid and i.objsubid = 0
), changed(object, grantee, is_owner, privilege, grantable) as (
  select s.object, x.grantee, false, x.privilege_type, x.is_grantable
  from stock as s cross join lateral aclexplode(s.acl) as x
  where not exists (select from aclexplode(s.initial) as y where (y.grantee, y.privilege_type, y.is_grantable) = (x.grantee, x.privilege_type, x.is_grantable))
  union all
  select s.object, y.grantee, false, y.privilege_type || ' (revoked)', false
  from stock as s cross join lateral aclexplode(s.initial) as y
  where not exists (select from aclexplode(s.acl) as x where (x.grantee, x.privilege_type) = (y.grantee, y.privilege_type))
)
select distinct h.object, case when h.grantee = 0 then 'PUBLIC' when r.rolsuper then 'superuser' else coalesce(r.rolname, 'unknown role') end,
  h.privilege || case when h.grantable then ' (grantable)' else '' end
from (
  select * from held
  union all
  select c.* from changed as c
  where c.grantee = 0 or exists (select from pg_catalog.pg_roles as r where r.oid = c.grantee and r.rolname ~ '^symphony_')
) as h
left join pg_catalog.pg_roles as r on r.oid = h.grantee;
