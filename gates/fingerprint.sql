-- The fingerprint: one line for every object of the schema, without OIDs, in an order of its own.
-- gates/fingerprint.py runs this in one read-only REPEATABLE READ transaction with its own settings; the file runs in psql too.
-- Columns: parent and leaf name the month partition a line is about, and are null for everything else; a leaf's lines
-- say <month> where its name has the month, so that leaves of one parent compare equal.
with recursive roles (oid, name) as (
  select 0::oid, 'PUBLIC'
  union all
  -- Whoever ran the first migration owns the ledger of migrations; its name belongs to the installation.
  select r.oid, case
    when r.rolsuper and r.oid in (select c.relowner from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = 'core' and c.relname = 'schema_migration') then 'migrator'
    when r.oid = 10 then 'bootstrap'
    else r.rolname::text end
  from pg_roles as r
),
-- A role of the release: no login, or a login that holds privileges or objects here itself. Other logins are the installation's.
release_roles (oid, name, is_owner) as (
  select r.oid, r.rolname::text, r.rolname ~ '^symphony_[a-z]+_owner$'
  from pg_roles as r
  where r.rolname ~ '^symphony_' and (not r.rolcanlogin or exists (select from pg_shdepend as d
    where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
      and d.dbid = (select b.oid from pg_database as b where b.datname = current_database())))
),
managed (oid, name) as (
  select n.oid, quote_ident(n.nspname)
  from pg_namespace as n
  join pg_roles as o on o.oid = n.nspowner
  where o.rolname ~ '^symphony_[a-z]+_owner$'
    or exists (select from pg_roles as r where r.rolname = 'symphony_' || n.nspname || '_owner')
),
members (classid, objid) as (
  select d.classid, d.objid from pg_depend as d where d.deptype = 'e'
),
relations as (
  select c.oid, c.relname::text as relname, c.relkind, c.relowner, c.relacl, c.reltoastrelid, m.oid as namespace,
    m.name || '.' || quote_ident(c.relname) as identity,
    p.relname::text as parent_name, m.name || '.' || quote_ident(p.relname) as parent
  from pg_class as c
  join managed as m on m.oid = c.relnamespace
  -- A leaf is what ops.ensure_partitions makes: <parent>_YYYYMM. Any other partition is an object like others.
  left join (select i.inhrelid, t.relname
      from pg_inherits as i
      join pg_class as t on t.oid = i.inhparent
      join pg_partitioned_table as k on k.partrelid = t.oid and k.partstrat = 'r') as p
    on c.relkind = 'r' and c.relispartition and p.inhrelid = c.oid and c.relname ~ ('^' || p.relname || '_[0-9]{6}$')
  where c.relkind not in ('i', 'I', 't')
),
roots (oid, root) as (
  select k.oid, k.oid from pg_constraint as k where k.conparentid = 0
  union all
  select k.oid, r.root from roots as r join pg_constraint as k on k.conparentid = r.oid
),
objects (parent, leaf, classid, objid, subid, kind, identity, details, owner, acl) as (
  select null, null, 'pg_namespace'::regclass::oid, n.oid, 0, 'schema', quote_ident(n.nspname), '', n.nspowner,
    coalesce(n.nspacl, acldefault('n', n.nspowner))
  from pg_namespace as n
  where n.oid in (select m.oid from managed as m) or n.nspname = 'public'

  union all
  select r.parent, r.identity, 'pg_class'::regclass, c.oid, 0,
    case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'S' then 'sequence'
      when 'm' then 'materialized view' when 'f' then 'foreign table' when 'c' then 'composite type' else c.relkind::text end,
    r.identity,
    concat_ws(' ', 'persistence=' || c.relpersistence::text, 'rls=' || c.relrowsecurity, 'force=' || c.relforcerowsecurity,
      'replica=' || c.relreplident::text, 'am=' || (select a.amname from pg_am as a where a.oid = c.relam),
      'options=' || (select string_agg(o, ',' order by o collate "C") from unnest(c.reloptions) as o),
      'toast=' || (select string_agg(o, ',' order by o collate "C") from pg_class as t, unnest(t.reloptions) as o where t.oid = c.reltoastrelid),
      'by=' || pg_get_partkeydef(c.oid),
      case when not c.relispartition then null
        when r.parent is null then 'bound=' || pg_get_expr(c.relpartbound, c.oid)
        when pg_get_expr(c.relpartbound, c.oid) = b.expected then 'bound=<month>'
        else 'bound=' || pg_get_expr(c.relpartbound, c.oid) end,
      'inherits=' || (select string_agg(i.inhparent::regclass::text, ',' order by i.inhseqno) from pg_inherits as i where i.inhrelid = c.oid),
      'server=' || (select s.srvname || coalesce(' ' || f.ftoptions::text, '') from pg_foreign_table as f join pg_foreign_server as s on s.oid = f.ftserver where f.ftrelid = c.oid),
      -- Flags that PostgreSQL asks before it enforces: said only when they hide what is there.
      case when not c.relhastriggers and exists (select from pg_trigger as t where t.tgrelid = c.oid) then 'triggers never fire' end,
      case when not c.relhasindex and exists (select from pg_index as i where i.indrelid = c.oid) then 'indexes are not kept' end,
      case when not c.relhasrules and exists (select from pg_rewrite as w where w.ev_class = c.oid) then 'rules are not applied' end,
      case when c.relchecks <> (select count(*) from pg_constraint as k where k.conrelid = c.oid and k.contype = 'c') then 'checks=' || c.relchecks end,
      'definition=' || case when c.relkind in ('v', 'm') then md5(pg_get_viewdef(c.oid)) end,
      'sequence=' || (select (to_jsonb(s) - array['seqrelid', 'seqtypid'])::text || ' as ' || format_type(s.seqtypid, null) from pg_sequence as s where s.seqrelid = c.oid),
      'owned by=' || (select string_agg(d.refobjid::regclass::text || '.' || a.attname || ' ' || d.deptype::text, ',') from pg_depend as d
        join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i'))),
    c.relowner,
    case when c.relkind <> 'c' then coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) end
  from relations as r
  join pg_class as c on c.oid = r.oid
  -- What core.create_month_partition writes: core.uuidv7_floor of the month and of the next one.
  cross join lateral (select case when r.parent is not null then format('FOR VALUES FROM (%L) TO (%L)', v.floors[1], v.floors[2]) end as expected
    from (select array_agg((lpad(to_hex((extract(epoch from f.month) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid order by f.month) as floors
      from (select (to_date(right(c.relname, 6), 'YYYYMM') + n * interval '1 month')::timestamp at time zone 'UTC' as month
        from generate_series(0, 1) as n where r.parent is not null) as f) as v) as b

  union all
  select r.parent, r.identity, 'pg_class'::regclass, r.oid, a.position::integer, 'column', r.identity || '.' || quote_ident(a.attname),
    concat_ws(' ', a.position, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
      'default=' || a.default_text, case when a.atthasdef <> (a.default_text is not null) then 'has default=' || a.atthasdef end, 'identity=' || nullif(a.attidentity::text, ''), 'generated=' || nullif(a.attgenerated::text, ''),
      'collation=' || (select n.nspname || '.' || l.collname from pg_collation as l join pg_namespace as n on n.oid = l.collnamespace where l.oid = a.attcollation),
      'storage=' || nullif(a.attstorage::text, t.typstorage::text), 'compression=' || nullif(a.attcompression::text, ''), 'target=' || a.attstattarget,
      'options=' || (select string_agg(o, ',' order by o collate "C") from unnest(a.attoptions || a.attfdwoptions) as o),
      'comment=' || md5(col_description(r.oid, a.attnum))),
    case when a.attacl is not null then r.relowner end, a.attacl
  from relations as r
  cross join lateral (
    select row_number() over (order by x.attnum) as position, x.*, pg_get_expr(d.adbin, d.adrelid) as default_text
    from pg_attribute as x
    left join pg_attrdef as d on d.adrelid = x.attrelid and d.adnum = x.attnum
    where x.attrelid = r.oid and x.attnum > 0 and not x.attisdropped) as a
  join pg_type as t on t.oid = a.atttypid
  where r.relkind <> 'S'

  union all
  -- Rows that one foreign key keeps for each leaf it refers to are the root's shadow.
  select r.parent, r.identity, 'pg_constraint'::regclass, k.oid, 0, 'constraint', r.identity || '.' || quote_ident(root.conname),
    concat_ws(' ', k.contype::text, pg_get_constraintdef(k.oid), case when not k.convalidated then 'unvalidated' end,
      case when not k.conenforced then 'unenforced' end), null, null
  from relations as r
  join pg_constraint as k on k.conrelid = r.oid
  join roots as o on o.oid = k.oid
  join pg_constraint as root on root.oid = case when r.parent is null then k.oid else o.root end
  where k.contype <> 't' and not (r.parent is null and k.conparentid <> 0 and k.conrelid = root.conrelid and k.oid <> o.root)

  union all
  select r.parent, r.identity, 'pg_class'::regclass, i.indexrelid, 0, 'index',
    r.identity || '.' || quote_ident(coalesce(case when r.parent is not null then up.relname end, x.relname)),
    concat_ws(' ', case when i.indisunique then 'unique' end, case when i.indisprimary then 'primary' end,
      case when i.indisexclusion then 'exclusion' end,
      substring(pg_get_indexdef(i.indexrelid) from position(' USING ' in pg_get_indexdef(i.indexrelid)) + 1),
      case when i.indisvalid then null else 'invalid' end, case when i.indisready then null else 'not ready' end,
      case when i.indislive then null else 'dead' end, case when i.indimmediate then null else 'deferrable' end,
      case when i.indisclustered then 'clustered' end, case when i.indisreplident then 'replica identity' end,
      case when r.parent is not null and up.relname is null then 'of the leaf alone' end,
      'targets=' || (select string_agg(a.attnum || ':' || a.attstattarget, ',' order by a.attnum) from pg_attribute as a where a.attrelid = i.indexrelid and a.attstattarget is not null)),
    null, null
  from relations as r
  join pg_index as i on i.indrelid = r.oid
  join pg_class as x on x.oid = i.indexrelid
  left join pg_inherits as h on h.inhrelid = i.indexrelid
  left join pg_class as up on up.oid = h.inhparent

  union all
  select r.parent, r.identity, 'pg_trigger'::regclass, t.oid, 0, 'trigger', r.identity || '.' || quote_ident(t.tgname),
    concat_ws(' ', 'enabled=' || t.tgenabled::text, pg_get_triggerdef(t.oid)), null, null
  from relations as r
  join pg_trigger as t on t.tgrelid = r.oid
  where not t.tgisinternal

  union all
  -- The name of such a trigger is made of an OID, and each leaf has its own; what tells them apart is what they do.
  select distinct r.parent, r.identity, null::oid, null::oid, 0, 'constraint trigger',
    concat_ws(' ', r.identity || '.' || quote_ident(k.conname), 'of', k.conrelid::regclass, t.tgfoid::regproc, t.tgtype),
    concat_ws(' ', 'enabled=' || t.tgenabled::text, case when t.tgdeferrable then 'deferrable' end, case when t.tginitdeferred then 'deferred' end),
    null::oid, null::aclitem[]
  from relations as r
  join pg_trigger as t on t.tgrelid = r.oid
  join roots as o on o.oid = t.tgconstraint
  join pg_constraint as k on k.oid = o.root
  where t.tgisinternal

  union all
  select r.parent, r.identity, 'pg_rewrite'::regclass, w.oid, 0, 'rule', r.identity || '.' || quote_ident(w.rulename),
    concat_ws(' ', 'enabled=' || w.ev_enabled::text, md5(pg_get_ruledef(w.oid))), null, null
  from relations as r
  join pg_rewrite as w on w.ev_class = r.oid
  where w.rulename <> '_RETURN'

  union all
  select r.parent, r.identity, 'pg_policy'::regclass, p.oid, 0, 'policy', r.identity || '.' || quote_ident(p.polname),
    concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end, 'for=' || p.polcmd::text,
      'to=' || (select string_agg(n.name, ',' order by n.name collate "C") from roles as n where n.oid = any (p.polroles)),
      'using=' || pg_get_expr(p.polqual, p.polrelid), 'check=' || pg_get_expr(p.polwithcheck, p.polrelid)), null, null
  from relations as r
  join pg_policy as p on p.polrelid = r.oid

  union all
  select r.parent, r.identity, 'pg_statistic_ext'::regclass, s.oid, 0, 'statistics', m.name || '.' || quote_ident(s.stxname),
    concat_ws(' ', pg_get_statisticsobjdef(s.oid), 'target=' || s.stxstattarget), s.stxowner, null
  from relations as r
  join pg_statistic_ext as s on s.stxrelid = r.oid
  join managed as m on m.oid = s.stxnamespace

  union all
  select null, null, 'pg_proc'::regclass, p.oid, 0, case p.prokind when 'f' then 'function' when 'p' then 'procedure' else 'aggregate' end,
    m.name || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')',
    concat_ws(' ', '(' || pg_get_function_arguments(p.oid) || ')', 'returns ' || pg_get_function_result(p.oid), l.lanname,
      'volatile=' || p.provolatile::text, 'definer=' || p.prosecdef, 'parallel=' || p.proparallel::text,
      case when p.proisstrict then 'strict' end, case when p.proleakproof then 'leakproof' end,
      'cost=' || p.procost, 'rows=' || p.prorows,
      'support=' || nullif(p.prosupport::oid, 0)::regproc, 'kind=' || p.prokind::text,
      'set=' || (select string_agg(o, ';' order by o collate "C") from unnest(p.proconfig) as o),
      'body=' || md5(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)), 'library=' || p.probin),
    p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  from pg_proc as p
  join managed as m on m.oid = p.pronamespace
  join pg_language as l on l.oid = p.prolang

  union all
  -- Row types and array types come with their tables and elements.
  select null, null, 'pg_type'::regclass, t.oid, 0,
    case t.typtype when 'e' then 'enum' when 'd' then 'domain' when 'r' then 'range' when 'm' then 'multirange' else 'type' end,
    m.name || '.' || quote_ident(t.typname),
    concat_ws(' ', (select string_agg(quote_literal(e.enumlabel), ',' order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid),
      case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end, 'default=' || t.typdefault,
      case when t.typnotnull then 'not null' end,
      'subtype=' || (select format_type(g.rngsubtype, null) from pg_range as g where g.rngtypid = t.oid),
      (select string_agg(quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), ', ' order by k.conname collate "C") from pg_constraint as k where k.contypid = t.oid)),
    t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
  from pg_type as t
  join managed as m on m.oid = t.typnamespace
  left join pg_class as c on c.oid = t.typrelid
  where t.typsubscript <> 'array_subscript_handler'::regproc and (t.typrelid = 0 or c.relkind = 'c')

  union all
  select null, null, a.classid, a.objid, 0, i.type, i.identity, a.details, a.owner, a.acl
  from (
    select 'pg_cast'::regclass::oid as classid, x.oid as objid, concat_ws(' ', nullif(x.castfunc, 0)::regprocedure, x.castcontext, x.castmethod) as details, null::oid as owner, null::aclitem[] as acl
    from pg_cast as x
    union all
    select 'pg_operator'::regclass, x.oid, concat_ws(' ', format_type(x.oprresult, null), x.oprcode, x.oprrest, x.oprjoin, x.oprcom::regoperator, x.oprnegate::regoperator,
      'merges=' || x.oprcanmerge, 'hashes=' || x.oprcanhash), x.oprowner, null from pg_operator as x
    union all select 'pg_opclass'::regclass, x.oid, 'default=' || x.opcdefault, x.opcowner, null from pg_opclass as x
    union all select 'pg_opfamily'::regclass, x.oid, '', x.opfowner, null from pg_opfamily as x
    union all select 'pg_amop'::regclass, x.oid, x.amopopr::regoperator::text, null, null from pg_amop as x
    union all select 'pg_amproc'::regclass, x.oid, x.amproc::text, null, null from pg_amproc as x
    union all select 'pg_am'::regclass, x.oid, x.amhandler::text, null, null from pg_am as x
    union all select 'pg_collation'::regclass, x.oid, (to_jsonb(x) - array['oid', 'collnamespace', 'collowner', 'collversion'])::text, x.collowner, null from pg_collation as x
    union all select 'pg_conversion'::regclass, x.oid, x.conproc::text, x.conowner, null from pg_conversion as x
    union all select 'pg_ts_config'::regclass, x.oid, '', x.cfgowner, null from pg_ts_config as x
    union all select 'pg_ts_dict'::regclass, x.oid, x.dictinitoption, x.dictowner, null from pg_ts_dict as x
    union all select 'pg_ts_parser'::regclass, x.oid, '', null, null from pg_ts_parser as x
    union all select 'pg_ts_template'::regclass, x.oid, '', null, null from pg_ts_template as x
    union all select 'pg_transform'::regclass, x.oid, '', null, null from pg_transform as x
    union all select 'pg_language'::regclass, x.oid, 'trusted=' || x.lanpltrusted, x.lanowner, coalesce(x.lanacl, acldefault('l', x.lanowner)) from pg_language as x
    union all select 'pg_foreign_data_wrapper'::regclass, x.oid, concat_ws(' ', nullif(x.fdwhandler, 0)::regproc, x.fdwoptions), x.fdwowner, coalesce(x.fdwacl, acldefault('F', x.fdwowner)) from pg_foreign_data_wrapper as x
    union all select 'pg_foreign_server'::regclass, x.oid, concat_ws(' ', x.srvtype, x.srvversion, md5(x.srvoptions::text)), x.srvowner, coalesce(x.srvacl, acldefault('S', x.srvowner)) from pg_foreign_server as x
    union all select 'pg_user_mapping'::regclass, x.umid, '', null, null from pg_user_mappings as x
  ) as a
  cross join lateral pg_identify_object(a.classid, a.objid, 0) as i
  where a.objid >= 16384 and (a.classid, a.objid) not in (select x.classid, x.objid from members as x)

  union all
  -- What initdb put into pg_catalog and somebody granted or revoked since.
  select null, null, a.classid, null, 0, 'system ' || i.type, i.identity, '', a.owner, a.acl
  from (
    select 'pg_proc'::regclass::oid as classid, x.oid as objid, x.proowner as owner, x.proacl as acl, acldefault('f', x.proowner) as stock
    from pg_proc as x where x.oid < 16384 and x.pronamespace = 'pg_catalog'::regnamespace
    union all
    select 'pg_class'::regclass, x.oid, x.relowner, x.relacl, acldefault('r', x.relowner)
    from pg_class as x where x.oid < 16384 and x.relnamespace = 'pg_catalog'::regnamespace
    union all select 'pg_type'::regclass, x.oid, x.typowner, x.typacl, acldefault('T', x.typowner) from pg_type as x where x.oid < 16384
    union all select 'pg_language'::regclass, x.oid, x.lanowner, x.lanacl, acldefault('l', x.lanowner) from pg_language as x where x.oid < 16384
    union all select 'pg_namespace'::regclass, x.oid, x.nspowner, x.nspacl, acldefault('n', x.nspowner) from pg_namespace as x where x.nspname = 'pg_catalog'
  ) as a
  left join pg_init_privs as p on p.classoid = a.classid and p.objoid = a.objid and p.objsubid = 0
  cross join lateral pg_identify_object(a.classid, a.objid, 0) as i
  where a.acl is not null
    and (select array_agg((e.grantee, e.privilege_type, e.is_grantable) order by e.grantee, e.privilege_type) from aclexplode(a.acl) as e)
      is distinct from (select array_agg((e.grantee, e.privilege_type, e.is_grantable) order by e.grantee, e.privilege_type) from aclexplode(coalesce(p.initprivs, a.stock)) as e)

  union all
  select null, null, 'pg_extension'::regclass, x.oid, 0, 'extension', quote_ident(x.extname), x.extversion || ' in ' || n.nspname, null, null
  from pg_extension as x
  join pg_namespace as n on n.oid = x.extnamespace
  where x.extname <> 'pgtap'

  union all
  select null, null, 'pg_event_trigger'::regclass, x.oid, 0, 'event trigger', quote_ident(x.evtname),
    concat_ws(' ', x.evtevent, x.evtfoid::regprocedure, 'enabled=' || x.evtenabled::text, x.evttags), x.evtowner, null
  from pg_event_trigger as x

  union all
  select null, null, 'pg_publication'::regclass, x.oid, 0, 'publication', quote_ident(x.pubname),
    concat_ws(' ', (to_jsonb(x) - array['oid', 'pubname', 'pubowner'])::text,
      (select string_agg(concat_ws(' ', r.prrelid::regclass, r.prattrs, pg_get_expr(r.prqual, r.prrelid)), ', ' order by r.prrelid::regclass::text collate "C") from pg_publication_rel as r where r.prpubid = x.oid),
      (select string_agg(n.pnnspid::regnamespace::text, ', ' order by n.pnnspid::regnamespace::text collate "C") from pg_publication_namespace as n where n.pnpubid = x.oid)),
    x.pubowner, null
  from pg_publication as x

  union all
  select null, null, null, null, 0, 'subscription', quote_ident(x.subname), 'enabled=' || x.subenabled, x.subowner, null
  from pg_subscription as x
  where x.subdbid = (select b.oid from pg_database as b where b.datname = current_database())

  union all
  select null, null, null, null, 0, 'large objects', 'of ' || n.name, count(*)::text, null, null
  from pg_largeobject_metadata as x
  join roles as n on n.oid = x.lomowner
  group by n.name

  union all
  select null, null, null, null, 0, 'default privileges', concat_ws(' ', n.name, 'on', x.defaclobjtype, 'in', nullif(x.defaclnamespace, 0)::regnamespace),
    '', x.defaclrole, x.defaclacl
  from pg_default_acl as x
  join roles as n on n.oid = x.defaclrole

  union all
  -- The database's name, its owner's name and who may connect are the installation's.
  select null, null, null, null, 0, 'database', 'this', pg_encoding_to_char(x.encoding), x.datdba, coalesce(x.datacl, acldefault('d', x.datdba))
  from pg_database as x
  where x.datname = current_database()

  union all
  select null, null, null, null, 0, 'parameter', x.parname, '', 10, x.paracl
  from pg_parameter_acl as x

  union all
  select null, null, 'pg_authid'::regclass, x.oid, 0, 'role', quote_ident(x.rolname),
    (to_jsonb(x) - array['oid', 'rolname', 'rolpassword', 'rolconfig'])::text, null, null
  from pg_roles as x
  where x.oid in (select r.oid from release_roles as r)

  union all
  -- A login may be a member of a capability, that is the installation's matter; in an owner role it is ours, and in a
  -- predefined role that passes every grant by.
  select null, null, null, null, 0, 'membership', member.name || ' in ' || groups.name,
    concat_ws(' ', 'admin=' || x.admin_option, 'inherit=' || x.inherit_option, 'set=' || x.set_option), null, null
  from pg_auth_members as x
  join roles as member on member.oid = x.member
  join roles as groups on groups.oid = x.roleid
  where x.member in (select r.oid from release_roles as r) or x.roleid in (select r.oid from release_roles as r where r.is_owner)
    or (x.member >= 16384 and groups.name in ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_execute_server_program',
      'pg_read_server_files', 'pg_write_server_files'))

  union all
  select null, null, null, null, 0, 'setting',
    concat_ws(' ', 'of', case when x.setrole = 0 then 'everybody' else r.name end, 'in', case when x.setdatabase = 0 then 'every database' else 'this database' end),
    (select string_agg(s, '; ' order by s collate "C") from unnest(x.setconfig) as s), null, null
  from pg_db_role_setting as x
  left join release_roles as r on r.oid = x.setrole
  where (x.setrole = 0 or r.oid is not null)
    and x.setdatabase in (0, (select b.oid from pg_database as b where b.datname = current_database()))

  union all
  select null, null, null, null, 0, 'security label', x.objtype || ' ' || x.objname, concat_ws(' ', x.provider, x.label), null, null
  from pg_seclabels as x
)
select o.parent, o.leaf,
  concat_ws(' ', o.kind, o.identity, nullif(o.details, ''),
    'owner=' || case when o.kind in ('database', 'parameter', 'column', 'default privileges') or o.kind like 'system %' then null else n.name end,
    case when o.acl is not null then 'acl={' || (select coalesce(string_agg(g.line, '; ' order by g.line collate "C"), '')
      from (select case when e.grantee = o.owner then 'owner' else coalesce(h.name, 'unknown') end || ':'
          || string_agg(e.privilege_type || case when e.is_grantable then '*' else '' end, ',' order by e.privilege_type collate "C") as line
        from aclexplode(o.acl) as e
        left join roles as h on h.oid = e.grantee
        where o.kind <> 'database' or e.privilege_type <> 'CONNECT'
        group by e.grantee, h.name) as g) || '}' end,
    'comment=' || md5(coalesce(d.description, s.description))) as line
from objects as o
left join roles as n on n.oid = o.owner
left join pg_description as d on d.classoid = o.classid and d.objoid = o.objid and d.objsubid = 0 and o.subid = 0
left join pg_shdescription as s on s.classoid = o.classid and s.objoid = o.objid;
