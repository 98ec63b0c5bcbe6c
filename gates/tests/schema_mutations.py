"""Changes of a schema, one of each kind: what the fingerprint must see."""

from __future__ import annotations

LEAF = (
    "(select min(inhrelid::regclass::text) from pg_inherits where inhparent = 'outbox.payment_instructions'::regclass)"
)
HALT = "function policy.list_halts()"
PENDING = "outbox.payment_outbox_pending"


def on_leaf(statement: str) -> str:
    """Run a statement on one month's leaf of the instructions, whatever the month is."""
    return f"do $$ begin execute format('{statement}', {LEAF}); end $$"


# What is done, and words of which a line of the difference must have all.
MUTATIONS: dict[str, tuple[str, str]] = {
    "schema owner": ("alter schema rails owner to postgres", "schema rails"),
    "schema grant": ("grant create on schema rails to symphony_executor", "schema rails CREATE"),
    "schema added": ("create schema sidecar authorization symphony_ops_owner", "schema sidecar"),
    "table added": ("create table ops.extra (n integer); alter table ops.extra owner to symphony_ops_owner", "table ops.extra"),
    "table dropped": ("drop table policy.halts_in_force cascade", "table policy.halts_in_force"),
    "table owner": (f"alter table {PENDING} owner to symphony_rails_owner", f"table {PENDING} owner=symphony_rails_owner"),
    "table grant": (f"grant select on {PENDING} to symphony_auditor", f"{PENDING} symphony_auditor:SELECT"),
    "maintain grant": (f"grant maintain on {PENDING} to symphony_auditor", f"{PENDING} symphony_auditor:MAINTAIN"),
    "grant option": ("grant execute on function policy.get_active() to symphony_ingest with grant option", "get_active EXECUTE*"),
    "owner's own revoke": (f"revoke delete on {PENDING} from symphony_outbox_owner", f"table {PENDING}"),
    "column grant": (f"grant update (due_at) on {PENDING} to symphony_executor", f"column {PENDING}.due_at UPDATE"),
    "triggers switched off": ("update pg_class set relhastriggers = false where oid = 'policy.halts'::regclass", "table policy.halts triggers never fire"),
    "indexes switched off": (f"update pg_class set relhasindex = false where oid = '{PENDING}'::regclass", f"table {PENDING} indexes are not kept"),
    "checks switched off": ("update pg_class set relchecks = 0 where oid = 'core.cell'::regclass", "table core.cell checks=0"),
    "rules switched off": ("update pg_class set relhasrules = false where oid = 'evidence.case_list'::regclass", "view evidence.case_list rules are not applied"),
    "default switched off": ("update pg_attribute set atthasdef = false where attrelid = 'policy.halts'::regclass and attname = 'entry_id'", "column policy.halts.entry_id has default=false"),
    "a login that passes grants by": ("create role app_login login; grant pg_write_all_data to app_login", "membership app_login pg_write_all_data"),
    "unlogged": (f"alter table {PENDING} set unlogged", f"{PENDING} persistence=u"),
    "reloptions": (f"alter table {PENDING} set (fillfactor = 42)", f"{PENDING} fillfactor=42"),
    "toast options": ("alter table policy.halts set (toast.autovacuum_enabled = off)", "policy.halts toast=autovacuum_enabled=off"),
    "row security": (f"alter table {PENDING} enable row level security", f"{PENDING} rls=true"),
    "forced row security": (f"alter table {PENDING} force row level security", f"{PENDING} force=true"),
    "policy": (f"create policy nobody on {PENDING} to symphony_executor using (false)", f"policy {PENDING}.nobody symphony_executor using=false"),
    "replica identity": (f"alter table {PENDING} replica identity full", f"{PENDING} replica=f"),
    "rule": (f"create rule swallow as on delete to {PENDING} do instead nothing", f"rule {PENDING}.swallow"),
    "column added": (f"alter table {PENDING} add column note text", f"column {PENDING}.note text"),
    "column dropped": (f"alter table {PENDING} drop column due_at cascade", f"column {PENDING}.due_at"),
    "column type": ("alter table core.month_partitioned alter column creation_order type integer", "column core.month_partitioned.creation_order integer"),
    "column default": (f"alter table {PENDING} alter column due_at set default now()", f"column {PENDING}.due_at default=now()"),
    "nullability": ("alter table policy.halts alter column operator drop not null", "column policy.halts.operator"),
    "generated column": ("alter table policy.halts add column twice text generated always as (reason || reason) virtual", "twice generated=v"),
    "identity column": ("alter table policy.halts add column n bigint generated always as identity", "policy.halts.n identity=a"),
    "storage": ("alter table policy.halts alter column reason set storage external", "policy.halts.reason storage=e"),
    "compression": ("alter table policy.halts alter column reason set compression pglz", "policy.halts.reason compression=p"),
    "statistics target": ("alter table policy.halts alter column reason set statistics 7", "policy.halts.reason target=7"),
    "column options": ("alter table policy.halts alter column reason set (n_distinct = 5)", "policy.halts.reason n_distinct=5"),
    "check dropped": ("alter table core.cell drop constraint cell_epoch_is_positive", "constraint core.cell.cell_epoch_is_positive"),
    "check not validated": (f"alter table {PENDING} add constraint nice check (due_at is not null) not valid", f"{PENDING}.nice unvalidated"),
    "check not enforced": (f"alter table {PENDING} add constraint nice check (due_at is not null) not enforced", f"{PENDING}.nice unenforced"),
    "foreign key action": (
        "alter table evidence.case_decisions drop constraint case_decisions_participant_id_case_id_fkey; alter table evidence.case_decisions"
        " add constraint case_decisions_participant_id_case_id_fkey foreign key (participant_id, case_id) references evidence.cases on delete cascade",
        "case_decisions_participant_id_case_id_fkey CASCADE",
    ),
    "deferrable key": (
        "alter table evidence.case_decisions alter constraint case_decisions_participant_id_case_id_fkey deferrable",
        "case_decisions_participant_id_case_id_fkey DEFERRABLE",
    ),
    "index dropped": ("drop index outbox.ux_attempts_one_terminal_per_outbox", "index ux_attempts_one_terminal_per_outbox"),
    "index predicate": (
        "drop index evidence.ux_cases_one_kind_per_instruction; create unique index ux_cases_one_kind_per_instruction"
        " on evidence.cases (participant_id, outbox_id, kind) where outbox_id is not null and kind <> 'X'",
        "ux_cases_one_kind_per_instruction kind <> 'X'",
    ),
    "index invalid": (
        "update pg_index set indisvalid = false where indexrelid = 'evidence.ux_cases_one_kind_per_instruction'::regclass",
        "index ux_cases_one_kind_per_instruction invalid",
    ),
    "index options": ("alter index evidence.ux_cases_one_kind_per_instruction set (fillfactor = 55)", "ux_cases_one_kind_per_instruction fillfactor='55'"),
    "trigger origin only": ("alter table policy.halts enable trigger refuse_change", "trigger policy.halts.refuse_change enabled=O"),
    "trigger replica only": ("alter table policy.halts enable replica trigger refuse_change", "trigger policy.halts.refuse_change enabled=R"),
    "trigger disabled": ("alter table policy.halts disable trigger refuse_change", "trigger policy.halts.refuse_change enabled=D"),
    "trigger when": (
        "drop trigger refuse_change on policy.halts; create trigger refuse_change before update or delete on policy.halts for each row"
        " when (old.reason = 'x') execute function core.refuse_change(); alter table policy.halts enable always trigger refuse_change",
        "trigger policy.halts.refuse_change WHEN",
    ),
    "foreign key's trigger disabled": (
        "alter table evidence.case_decisions disable trigger all",
        "constraint trigger evidence.case_decisions.case_decisions_participant_id_case_id_fkey enabled=D",
    ),
    "foreign key's trigger disabled at the parent": (
        "alter table evidence.cases disable trigger all",
        "constraint trigger evidence.cases.case_decisions_participant_id_case_id_fkey enabled=D",
    ),
    "leaf trigger": (on_leaf("alter table %s disable trigger refuse_truncate"), "leaf outbox.payment_instructions_2 has refuse_truncate enabled=D"),
    "leaf trigger dropped": (on_leaf("drop trigger refuse_truncate on %s"), "leaf outbox.payment_instructions_2 lacks refuse_truncate"),
    "leaf grant": (on_leaf("grant select on %s to symphony_auditor"), "leaf outbox.payment_instructions_2 has symphony_auditor:SELECT"),
    "leaf options": (on_leaf("alter table %s set (fillfactor = 42)"), "leaf outbox.payment_instructions_2 has fillfactor=42"),
    "leaf index": (on_leaf("create index on %s (recorded_at)"), "leaf outbox.payment_instructions_2 has recorded_at"),
    "leaf detached": (on_leaf("alter table outbox.payment_instructions detach partition %s"), "table outbox.payment_instructions_2"),
    "month bound": (
        "create table outbox.instruction_parties_209901 partition of outbox.instruction_parties for values from"
        " ('ffffffff-0000-0000-0000-000000000000') to ('ffffffff-ffff-0000-0000-000000000000')",
        "leaf outbox.instruction_parties_209901 has bound=FOR VALUES",
    ),
    "default partition": ("create table outbox.rest partition of outbox.payment_instructions default", "table outbox.rest bound=DEFAULT"),
    "hash leaf dropped": ("drop table outbox.idempotency_ledger_3", "table outbox.idempotency_ledger_3"),
    "function body": ("update pg_proc set prosrc = prosrc || ' ' where oid = 'policy.list_halts()'::regprocedure", f"{HALT} body="),
    "function dropped": ("drop function policy.list_halts()", HALT),
    "function overload": ("create function policy.list_halts(p_all boolean) returns integer language sql return 1", "function policy.list_halts(boolean)"),
    "volatility": ("alter function policy.list_halts() immutable", f"{HALT} volatile=i"),
    "search_path": ("alter function policy.list_halts() set search_path = pg_catalog", f"{HALT} search_path=pg_catalog"),
    "search_path reset": ("alter function policy.list_halts() reset all", HALT),
    "invoker": ("alter function policy.list_halts() security invoker", f"{HALT} definer=false"),
    "leakproof": ("alter function policy.list_halts() leakproof", f"{HALT} leakproof"),
    "strict": ("alter function policy.list_halts() strict", f"{HALT} strict"),
    "parallel": ("alter function policy.list_halts() parallel safe", f"{HALT} parallel=s"),
    "cost": ("alter function policy.list_halts() cost 7", f"{HALT} cost=7"),
    "function owner": ("alter function policy.list_halts() owner to symphony_core_owner", f"{HALT} owner=symphony_core_owner"),
    "execute to public": ("grant execute on function policy.list_halts() to public", f"{HALT} PUBLIC:EXECUTE"),
    "view definition": (
        "create or replace view evidence.reason_register as select * from core.reasons where http_status > 0", "view evidence.reason_register"),
    "view options": ("alter view evidence.reason_register set (security_invoker = true)", "view evidence.reason_register security_invoker=true"),
    "materialized view": ("create materialized view ops.copy as select 1 as n; alter materialized view ops.copy owner to symphony_ops_owner", "materialized view ops.copy"),
    "comment": (f"comment on table {PENDING} is 'something else'", f"table {PENDING} comment="),
    "column comment": (f"comment on column {PENDING}.due_at is 'something else'", f"column {PENDING}.due_at comment="),
    "function comment": ("comment on function policy.list_halts() is null", HALT),
    "enum value": ("alter type ingress.decision add value 'MAYBE'", "enum ingress.decision 'MAYBE'"),
    "enum order": ("alter type ingress.decision rename value 'ACCEPT' to 'TAKE'", "enum ingress.decision 'TAKE'"),
    "composite attribute": ("alter type outbox.lease add attribute note text", "column outbox.lease.note text"),
    "type grant": ("grant usage on type outbox.lease to public", "type outbox.lease"),
    "domain": ("create domain ops.percent as integer check (value < 101); alter domain ops.percent owner to symphony_ops_owner", "domain ops.percent 101"),
    "sequence": ("create sequence ops.counter cache 7; alter sequence ops.counter owner to symphony_ops_owner", 'sequence ops.counter "seqcache": 7'),
    "statistics": ("create statistics outbox.together on participant_id, due_at from outbox.payment_outbox_pending", "statistics outbox.together"),
    "role attribute": ("alter role symphony_ingest bypassrls", 'role symphony_ingest "rolbypassrls": true'),
    "role login": ("alter role symphony_ops_owner login", 'role symphony_ops_owner "rolcanlogin": true'),
    "role added": ("create role symphony_backdoor", "role symphony_backdoor"),
    "membership": ("grant symphony_outbox_owner to symphony_executor", "membership symphony_executor in symphony_outbox_owner"),
    "membership option": (
        "grant symphony_auditor to symphony_operator with admin option", "membership symphony_operator in symphony_auditor admin=true"),
    "predefined role": ("grant pg_read_all_data to symphony_auditor", "membership symphony_auditor in pg_read_all_data"),
    "login in an owner role": (
        "create role somebody login; grant symphony_core_owner to somebody", "membership somebody in symphony_core_owner"),
    "role setting": ("alter role symphony_ingest set row_security = off", "setting symphony_ingest row_security=off"),
    "everybody's setting": ("alter role all set event_triggers = off", "setting everybody event_triggers=off"),
    "default privileges": (
        "alter default privileges for role symphony_ops_owner grant execute on functions to public", "default privileges symphony_ops_owner"),
    "event trigger": (
        "create function public.noticed() returns event_trigger language plpgsql as 'begin end';"
        " create event trigger watch on ddl_command_end execute function public.noticed()", "event trigger watch ddl_command_end"),
    "publication": (f"create publication leak for table {PENDING}", f"publication leak {PENDING}"),
    "publication of a schema": ("create publication leak for tables in schema outbox", "publication leak outbox"),
    "subscription": (
        "create subscription feed connection 'host=x' publication p with (connect = false, slot_name = none)", "subscription feed"),
    "foreign-data wrapper": ("create foreign data wrapper elsewhere", "foreign-data wrapper elsewhere"),
    "foreign server": ("create foreign data wrapper elsewhere; create server far foreign data wrapper elsewhere", "server far"),
    "user mapping": (
        "create foreign data wrapper elsewhere; create server far foreign data wrapper elsewhere; create user mapping for public server far",
        "user mapping public on server far"),
    "operator": ("create operator public.=== (leftarg = integer, rightarg = integer, function = int4eq)", "operator public.===(integer,integer)"),
    "cast": ("create function public.to_int(money) returns integer language sql return 1; create cast (money as integer) with function public.to_int(money) as implicit", "cast (pg_catalog.money AS integer) i"),
    "collation": ("create collation public.odd (provider = builtin, locale = 'C')", "collation public.odd"),
    "text search": ("create text search configuration public.odd (copy = simple)", "text search configuration public.odd"),
    "large object": ("select lo_from_bytea(0, 'x')", "large objects 1"),
    "system function's grant": ("grant execute on function pg_catalog.lo_create(oid) to public", "system function pg_catalog.lo_create"),
    "server file reading": ("grant execute on function pg_catalog.pg_read_file(text) to symphony_auditor", "system function pg_catalog.pg_read_file symphony_auditor"),
    "system table's grant": ("grant select on pg_catalog.pg_authid to symphony_auditor", "system table pg_catalog.pg_authid symphony_auditor"),
    "language's grant": ("revoke usage on language plpgsql from public", "system language plpgsql"),
    "parameter's grant": ("grant set on parameter session_replication_role to symphony_ops_owner", "parameter session_replication_role symphony_ops_owner:SET"),
    "database grant": (
        "do $$ begin execute format('grant temporary on database %I to symphony_auditor', current_database()); end $$",
        "database symphony_auditor:TEMPORARY"),
    "database setting": (
        "do $$ begin execute format('alter database %I set search_path = public', current_database()); end $$",
        "setting everybody this database search_path=public"),
    "dropped extension": ("drop extension plpgsql cascade", "extension plpgsql"),
    "the ledger's owner": ("alter table core.schema_migration owner to symphony_core_owner", "table core.schema_migration owner=symphony_core_owner"),
}  # fmt: skip
