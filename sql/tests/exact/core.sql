-- core: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('core');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_auditor:USAGE, symphony_evidence_owner:USAGE, symphony_ingress_owner:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE, symphony_policy_admin:USAGE, symphony_policy_owner:USAGE, symphony_proxy_owner:USAGE, symphony_rails_owner:USAGE, symphony_routing_owner:USAGE',
  'INV-005: who sees names in core') from pg_namespace where nspname = 'core';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('core.canonical_json(jsonb)', 'plpgsql', 'immutable', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.canonical_number(numeric)', 'plpgsql', 'immutable', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.commitment(text[])', 'sql', 'stable', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.create_month_partition(text,text,date)', 'plpgsql', 'volatile', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.epoch_us(timestamp with time zone)', 'sql', 'stable', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.establish_cell(text,integer)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('core.get_cell()', 'plpgsql', 'stable', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.hold_cell()', 'plpgsql', 'volatile', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.list_month_partitioned()', 'plpgsql', 'stable', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.list_reasons()', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner'),
  ('core.next_actions(text[])', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('core.now()', 'sql', 'volatile', 'invoker', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.publish_reason_taxonomy(jsonb,text)', 'plpgsql', 'volatile', 'definer', 'symphony_policy_admin'),
  ('core.raise_error(text,jsonb)', 'plpgsql', 'stable', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.refuse_change()', 'plpgsql', 'volatile', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.require_session()', 'plpgsql', 'stable', 'definer', 'symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner'),
  ('core.same_reason_taxonomy(jsonb)', 'plpgsql', 'stable', 'definer', ''),
  ('core.uuidv7_floor(timestamp with time zone)', 'sql', 'immutable', 'invoker', 'symphony_auditor, symphony_evidence_owner, symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_proxy_owner, symphony_rails_owner, symphony_routing_owner');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('core')$$, $$select * from expected_functions$$, 'INV-005: functions of core and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('cell', 'table', 'symphony_ops_owner:SELECT'),
  ('errors', 'table', ''),
  ('month_partitioned', 'table', ''),
  ('reason_taxonomy', 'table', 'symphony_evidence_owner:SELECT'),
  ('reasons', 'table', 'symphony_evidence_owner:SELECT'),
  ('schema_migration', 'table', 'symphony_ops_owner:SELECT'),
  ('schema_repeatable', 'table', 'symphony_ops_owner:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('core')$$, $$select * from expected_relations$$, 'INV-010: relations of core and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('cell', 'epoch integer, cell_id text, established_at timestamp with time zone'),
  ('errors', 'sqlstate text, name text, message text, hint text'),
  ('month_partitioned', 'schema_name text, table_name text, key_column text, append_only boolean, creation_order smallint'),
  ('reason_taxonomy', 'taxonomy_version integer, reason_code text, iso_code text?, iso_name text?, terminal boolean, auto_retry boolean, next_action text, edition text, published_by text, published_at timestamp with time zone'),
  ('reasons', 'reason_code text, http_status smallint, meaning text, next_action text'),
  ('schema_migration', 'version integer, name text, sha256 bytea, applied_at timestamp with time zone, duration_ms bigint, runner text'),
  ('schema_repeatable', 'path text, sha256 bytea, applied_at timestamp with time zone, release text');
select set_eq($$select relation, columns from pg_temp.columns('core')$$, $$select * from expected_columns$$, 'INV-004: columns of core («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('cell', 'cell_epoch_is_positive', 'CHECK ((epoch >= 1))'),
  ('cell', 'cell_id_is_an_identifier', 'CHECK ((cell_id ~ ''^[a-z0-9][a-z0-9-]{0,31}$''::text))'),
  ('cell', 'cell_pkey', 'PRIMARY KEY (epoch)'),
  ('errors', 'errors_name_key', 'UNIQUE (name)'),
  ('errors', 'errors_pkey', 'PRIMARY KEY (sqlstate)'),
  ('errors', 'errors_sqlstate_is_house_class', 'CHECK ((sqlstate ~ ''^S[VANCLRX][0-9]{3}$''::text))'),
  ('month_partitioned', 'month_partitioned_creation_order_key', 'UNIQUE (creation_order)'),
  ('month_partitioned', 'month_partitioned_pkey', 'PRIMARY KEY (schema_name, table_name)'),
  ('reason_taxonomy', 'reason_taxonomy_pkey', 'PRIMARY KEY (taxonomy_version, reason_code)'),
  ('reason_taxonomy', 'reason_taxonomy_reason_code_fkey', 'FOREIGN KEY (reason_code) REFERENCES core.reasons(reason_code)'),
  ('reason_taxonomy', 'taxonomy_code_has_its_name', 'CHECK ((((iso_code IS NULL) = (iso_name IS NULL)) AND (iso_code ~ ''^[A-Z0-9]{4}$''::text)))'),
  ('reason_taxonomy', 'taxonomy_is_named', 'CHECK ((((length(edition) >= 1) AND (length(edition) <= 64)) AND (published_by ~ ''\S''::text) AND (length(published_by) <= 100) AND (next_action ~ ''\S''::text)))'),
  ('reason_taxonomy', 'taxonomy_terminal_is_not_retried', 'CHECK ((NOT (terminal AND auto_retry)))'),
  ('reason_taxonomy', 'taxonomy_version_is_positive', 'CHECK ((taxonomy_version >= 1))'),
  ('reasons', 'reasons_code_is_upper_snake', 'CHECK ((reason_code ~ ''^[A-Z][A-Z0-9_]{1,63}$''::text))'),
  ('reasons', 'reasons_http_status_is_an_error', 'CHECK ((((http_status >= 400) AND (http_status <= 599)) OR (http_status = 202)))'),
  ('reasons', 'reasons_pkey', 'PRIMARY KEY (reason_code)'),
  ('schema_migration', 'schema_migration_applied_once', 'PRIMARY KEY (version)'),
  ('schema_migration', 'schema_migration_sha256_is_a_digest', 'CHECK ((octet_length(sha256) = 32))'),
  ('schema_migration', 'schema_migration_version_is_positive', 'CHECK ((version > 0))'),
  ('schema_repeatable', 'schema_repeatable_path_and_time', 'PRIMARY KEY (path, applied_at)'),
  ('schema_repeatable', 'schema_repeatable_sha256_is_a_digest', 'CHECK ((octet_length(sha256) = 32))');
select set_eq($$select relation, name, definition from pg_temp.constraints('core')$$, $$select * from expected_constraints$$, 'INV-004: constraints of core');

select is_empty($$select * from pg_temp.indexes('core')$$, 'INV-004: indexes of core besides keys');

select is_empty($$select * from pg_temp.unguarded(array['core.cell', 'core.schema_migration', 'core.schema_repeatable'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of core and every leaf refuses UPDATE, DELETE and TRUNCATE always');

-- Roles: NOLOGIN, without any attribute, members of nothing.
select set_eq($$select rolname::text from pg_roles where rolname like 'symphony\_%'$$, array['symphony_core_owner', 'symphony_evidence_owner',
  'symphony_policy_owner', 'symphony_proxy_owner', 'symphony_outbox_owner', 'symphony_ingress_owner', 'symphony_rails_owner', 'symphony_routing_owner',
  'symphony_ops_owner', 'symphony_ingest', 'symphony_executor', 'symphony_resolver', 'symphony_operator', 'symphony_policy_admin', 'symphony_router',
  'symphony_sealer', 'symphony_maintainer', 'symphony_auditor', 'symphony_status_reader', 'symphony_evidence_reader'],
  'INV-007: the roles are these: nine owners, eleven capabilities');
select is_empty($$select rolname from pg_authid where rolname like 'symphony\_%' and (rolcanlogin or rolsuper or rolinherit or rolcreaterole
  or rolcreatedb or rolreplication or rolbypassrls or rolpassword is not null)$$, 'INV-007: none can log in, inherit or has a power or password');
select is_empty($$select m.member::regrole, m.roleid::regrole from pg_auth_members as m where m.member::regrole::text like 'symphony\_%'$$,
  'INV-007: none is a member of another role');
select is_empty($$select s.setdatabase, s.setrole::regrole, s.setconfig from pg_db_role_setting as s$$, 'INV-007: no role or database overrides a setting');
select is_empty($$select parname from pg_parameter_acl$$, 'INV-007: no parameter is granted');
select is_empty($$select d.defaclrole::regrole, a.* from pg_default_acl as d, aclexplode(d.defaclacl) as a where a.grantee <> d.defaclrole$$,
  'INV-005: no default privilege grants anything to others');
select set_eq($$select d.defaclrole::regrole::text from pg_default_acl as d where d.defaclnamespace = 0 and d.defaclobjtype = 'f'$$,
  array(select 'symphony_' || c || '_owner' from unnest(array['core', 'evidence', 'policy', 'proxy', 'outbox', 'ingress', 'rails', 'routing', 'ops']) as c),
  'INV-005: every owner''s new functions are closed to PUBLIC');
select is_empty($$select p.oid::regprocedure from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
  where p.pronamespace = 'pg_catalog'::regnamespace and a.grantee = 0
    and p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_open', 'lo_unlink', 'lo_import', 'lo_export')$$,
  'INV-006: PUBLIC makes no large objects');
select is_empty($$select 1 from pg_namespace as n, aclexplode(n.nspacl) as a where n.nspname = 'public' and a.grantee <> n.nspowner$$,
  'INV-006: nobody has anything in schema public');
select is_empty($$select oid::regclass from pg_class where relnamespace = 'public'::regnamespace and relkind not in ('i', 'I')
  and relname not like 'schema\_%'$$, 'INV-006: nothing lives in schema public');
select set_eq($$select nspname::text from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'tap')$$,
  array['core', 'evidence', 'policy', 'proxy', 'outbox', 'ingress', 'rails', 'routing', 'ops'], 'INV-005: the schemas are the contexts');
select is_empty($$select evtname from pg_event_trigger$$, 'INV-014: no event triggers');
select is_empty($$select r.rulename from pg_rewrite as r where r.rulename <> '_RETURN'
  and r.ev_class in (select oid from pg_class where relnamespace::regnamespace::text in ('core', 'evidence', 'policy', 'outbox', 'ingress', 'rails', 'routing', 'ops'))$$, 'INV-014: no rules');

select * from finish();
rollback;
