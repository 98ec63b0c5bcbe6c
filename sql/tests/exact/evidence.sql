-- evidence: the exact shape. A difference here is a decision: change the expectation in the same commit and say why.
begin;
set local search_path = tap, pg_catalog;
\ir ../shape.psql
select no_plan();

select pg_temp.house_rules('evidence');

select is(pg_temp.grants(nspacl, nspowner), 'symphony_auditor:USAGE, symphony_ingress_owner:USAGE, symphony_operator:USAGE, symphony_ops_owner:USAGE, symphony_outbox_owner:USAGE, symphony_policy_owner:USAGE, symphony_proxy_owner:USAGE, symphony_rails_owner:USAGE, symphony_routing_owner:USAGE',
  'INV-005: who sees names in evidence') from pg_namespace where nspname = 'evidence';

-- Signature, language, volatility, security, and who may call it besides its owner (the matrix of sql/grants.sql).
create temp table expected_functions (signature text collate "C", language text collate "C", volatility text collate "C", security text collate "C", granted text collate "C");
insert into expected_functions values
  ('evidence.decide_case(text,uuid,text,text,text,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('evidence.ensure_partitions(text,date)', 'plpgsql', 'volatile', 'definer', 'symphony_ops_owner'),
  ('evidence.has_open_case(text,uuid)', 'plpgsql', 'stable', 'definer', 'symphony_outbox_owner'),
  ('evidence.list_timeline(text,text)', 'plpgsql', 'stable', 'definer', 'symphony_ingress_owner'),
  ('evidence.open_case(text,text,uuid,jsonb,text)', 'plpgsql', 'volatile', 'definer', 'symphony_operator'),
  ('evidence.open_cases(evidence.new_case[])', 'plpgsql', 'volatile', 'definer', 'symphony_outbox_owner, symphony_policy_owner, symphony_rails_owner'),
  ('evidence.record_event(text,text,jsonb,text,uuid)', 'plpgsql', 'volatile', 'definer', 'symphony_ingress_owner, symphony_ops_owner, symphony_outbox_owner, symphony_policy_owner, symphony_rails_owner');
select set_eq($$select signature, language, volatility, security, granted from pg_temp.functions('evidence')$$, $$select * from expected_functions$$, 'INV-005: functions of evidence and exactly who may call them');

-- Relation, kind, and what others than its owner may do with it.
create temp table expected_relations (relation text collate "C", kind text collate "C", granted text collate "C");
insert into expected_relations values
  ('attempts', 'view', 'symphony_auditor:SELECT'),
  ('attestations', 'view', 'symphony_auditor:SELECT'),
  ('case_decisions', 'table', 'symphony_ops_owner:SELECT'),
  ('case_ledger', 'view', 'symphony_auditor:SELECT'),
  ('case_list', 'view', 'symphony_auditor:SELECT, symphony_operator:SELECT'),
  ('cases', 'table', 'symphony_ops_owner:SELECT'),
  ('client_certs', 'view', 'symphony_auditor:SELECT, symphony_operator:SELECT'),
  ('clients', 'view', 'symphony_auditor:SELECT'),
  ('decision_ledger', 'view', 'symphony_auditor:SELECT'),
  ('ended_revocation_sources', 'view', 'symphony_auditor:SELECT'),
  ('events', 'view', 'symphony_auditor:SELECT'),
  ('evidence_events', 'partitioned', 'symphony_ops_owner:SELECT'),
  ('halt_history', 'view', 'symphony_auditor:SELECT'),
  ('instruction_timeline', 'view', 'symphony_auditor:SELECT'),
  ('instructions', 'view', 'symphony_auditor:SELECT'),
  ('outcomes', 'view', 'symphony_auditor:SELECT'),
  ('policy_history', 'view', 'symphony_auditor:SELECT'),
  ('proof_rules', 'view', 'symphony_auditor:SELECT'),
  ('proxy_resolutions', 'view', 'symphony_auditor:SELECT'),
  ('rail_messages', 'view', 'symphony_auditor:SELECT'),
  ('reason_register', 'view', 'symphony_auditor:SELECT, symphony_operator:SELECT'),
  ('reason_taxonomy', 'view', 'symphony_auditor:SELECT, symphony_operator:SELECT'),
  ('refusal_counts', 'view', 'symphony_auditor:SELECT'),
  ('refusals', 'view', 'symphony_auditor:SELECT'),
  ('response_classes', 'view', 'symphony_auditor:SELECT'),
  ('revocation_readings', 'view', 'symphony_auditor:SELECT'),
  ('routing_decisions', 'view', 'symphony_auditor:SELECT'),
  ('routing_rules', 'view', 'symphony_auditor:SELECT'),
  ('signature_keys', 'view', 'symphony_auditor:SELECT, symphony_operator:SELECT');
select set_eq($$select relation, kind, granted from pg_temp.relations('evidence')$$, $$select * from expected_relations$$, 'INV-010: relations of evidence and exactly who may read them');

create temp table expected_columns (relation text collate "C", columns text collate "C");
insert into expected_columns values
  ('case_decisions', 'participant_id text, case_id uuid, decision text, maker text, checker text, reason text, decided_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('cases', 'participant_id text, case_id uuid, kind text, outbox_id uuid?, facts jsonb, next_action text, opened_at timestamp with time zone, commitment bytea, recorded_xid xid8'),
  ('evidence_events', 'participant_id text, event_id uuid, kind text, outbox_id uuid?, actor text, facts jsonb, recorded_at timestamp with time zone, commitment bytea, recorded_xid xid8');
select set_eq($$select relation, columns from pg_temp.columns('evidence')$$, $$select * from expected_columns$$, 'INV-004: columns of evidence («?» may be null)');

create temp table expected_constraints (relation text collate "C", name text collate "C", definition text collate "C");
insert into expected_constraints values
  ('case_decisions', 'case_decision_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('case_decisions', 'case_decision_is_known', 'CHECK ((decision = ANY (ARRAY[''EXECUTED''::text, ''NOT_EXECUTED''::text, ''RESENT''::text, ''NO_ACTION''::text])))'),
  ('case_decisions', 'case_decision_needs_two_identities', 'CHECK (((maker <> checker) AND (maker <> ''''::text) AND (checker <> ''''::text)))'),
  ('case_decisions', 'case_decisions_participant_id_case_id_fkey', 'FOREIGN KEY (participant_id, case_id) REFERENCES evidence.cases(participant_id, case_id)'),
  ('case_decisions', 'case_decisions_pkey', 'PRIMARY KEY (participant_id, case_id)'),
  ('cases', 'case_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('cases', 'case_kind_is_upper_snake', 'CHECK ((kind ~ ''^[A-Z][A-Z0-9_]{1,63}$''::text))'),
  ('cases', 'cases_pkey', 'PRIMARY KEY (participant_id, case_id)'),
  ('evidence_events', 'event_commitment_is_sha256', 'CHECK ((octet_length(commitment) = 32))'),
  ('evidence_events', 'event_kind_is_upper_snake', 'CHECK ((kind ~ ''^[A-Z][A-Z0-9_]{1,63}$''::text))'),
  ('evidence_events', 'evidence_events_pkey', 'PRIMARY KEY (participant_id, event_id)');
select set_eq($$select relation, name, definition from pg_temp.constraints('evidence')$$, $$select * from expected_constraints$$, 'INV-004: constraints of evidence');

create temp table expected_indexes (name text collate "C", definition text collate "C");
insert into expected_indexes values
  ('ix_evidence_events_instruction', 'CREATE INDEX ix_evidence_events_instruction ON ONLY evidence.evidence_events USING btree (participant_id, outbox_id) WHERE (outbox_id IS NOT NULL)'),
  ('ux_cases_one_kind_per_instruction', 'CREATE UNIQUE INDEX ux_cases_one_kind_per_instruction ON evidence.cases USING btree (participant_id, outbox_id, kind) WHERE (outbox_id IS NOT NULL)');
select set_eq($$select name, definition from pg_temp.indexes('evidence')$$, $$select * from expected_indexes$$, 'INV-004: indexes of evidence besides keys');

select is_empty($$select * from pg_temp.unguarded(array['evidence.evidence_events', 'evidence.cases', 'evidence.case_decisions'],
  'core.refuse_change()')$$,
  'INV-014: every ledger of evidence and every leaf refuses UPDATE, DELETE and TRUNCATE always');

select is_empty($$select c.oid::regclass from pg_class as c where c.relnamespace = 'evidence'::regnamespace and c.relkind = 'v'
  and not coalesce('security_barrier=true' = any (c.reloptions), false)$$, 'INV-010: every auditors'' view is a security barrier');
select is_empty($$select distinct d.refobjid::regclass from pg_depend as d join pg_rewrite as r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
  join pg_class as c on c.oid = r.ev_class where c.relnamespace = 'evidence'::regnamespace and d.refobjid = 'outbox.instruction_parties'::regclass$$,
  'INV-LEAK-001: no auditors'' view reads the parties');

select * from finish();
rollback;
