create or replace function core.refuse_change() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.raise_error('SX001', jsonb_build_object(
    'table', tg_table_schema || '.' || tg_table_name, 'operation', tg_op));
  return null;
end
$$;
alter function core.refuse_change() owner to symphony_core_owner;
revoke all on function core.refuse_change() from public;
comment on function core.refuse_change() is
$$Trigger of append-only tables: refuses UPDATE, DELETE and TRUNCATE, ENABLE ALWAYS so replica mode does not pass it.
Callers: triggers only. Writes: nothing. Locks: none. Raises: SX001. Idempotent: yes.$$;

-- Core's own ledgers; here, for a trigger needs its function first.
create or replace trigger refuse_change before update or delete on core.schema_migration for each row execute function core.refuse_change();
alter table core.schema_migration enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.schema_migration for each statement execute function core.refuse_change();
alter table core.schema_migration enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on core.schema_repeatable for each row execute function core.refuse_change();
alter table core.schema_repeatable enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.schema_repeatable for each statement execute function core.refuse_change();
alter table core.schema_repeatable enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on core.cell for each row execute function core.refuse_change();
alter table core.cell enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.cell for each statement execute function core.refuse_change();
alter table core.cell enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on core.reason_taxonomy for each row execute function core.refuse_change();
alter table core.reason_taxonomy enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.reason_taxonomy for each statement execute function core.refuse_change();
alter table core.reason_taxonomy enable always trigger refuse_truncate;
