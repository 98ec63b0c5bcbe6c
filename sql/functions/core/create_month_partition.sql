create or replace function core.create_month_partition(p_schema text, p_table text, p_month date) returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry core.month_partitioned;
  v_leaf text := p_table || to_char(p_month, '_YYYYMM');
  v_from uuid := core.uuidv7_floor(p_month::timestamp at time zone 'UTC');
  v_column name;
  v_to uuid := core.uuidv7_floor((p_month + interval '1 month')::timestamp at time zone 'UTC');
begin
  select m.* into strict v_entry from core.list_month_partitioned() as m
  where m.schema_name = p_schema and m.table_name = p_table;
  if to_regclass(format('%I.%I', p_schema, v_leaf)) is not null then
    return null;
  end if;
  -- CREATE TABLE ... PARTITION OF locks the parent ACCESS EXCLUSIVE; a table made alone and attached under a
  -- matching CHECK takes SHARE UPDATE EXCLUSIVE there and scans nothing.
  execute format('create table %I.%I (like %I.%I including defaults including constraints including storage)',
    p_schema, v_leaf, p_schema, p_table);
  execute format('alter table %I.%I add constraint leaf_bounds check (%I is not null and %I >= %L and %I < %L)',
    p_schema, v_leaf, v_entry.key_column, v_entry.key_column, v_from, v_entry.key_column, v_to);
  execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
    p_schema, p_table, p_schema, v_leaf, v_from, v_to);
  execute format('alter table %I.%I drop constraint leaf_bounds', p_schema, v_leaf);
  -- What must not be copied into statistics (personal data) is not copied by the leaf's either.
  for v_column in
    select a.attname from pg_attribute as a where a.attrelid = to_regclass(format('%I.%I', p_schema, p_table)) and a.attstattarget = 0
  loop
    execute format('alter table %I.%I alter column %I set statistics 0', p_schema, v_leaf, v_column);
  end loop;
  execute format('revoke all on table %I.%I from public', p_schema, v_leaf);
  if v_entry.append_only then
    -- Statement triggers are not passed on to leaves: without this, TRUNCATE of a leaf would empty the ledger.
    execute format('create trigger refuse_truncate before truncate on %I.%I for each statement execute function core.refuse_change()',
      p_schema, v_leaf);
    execute format('alter table %I.%I enable always trigger refuse_truncate', p_schema, v_leaf);
  else
    -- Erased rows are updated ones: let vacuum take the old versions away soon.
    execute format('alter table %I.%I set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50)', p_schema, v_leaf);
  end if;
  return p_schema || '.' || v_leaf;
end
$$;
alter function core.create_month_partition(text, text, date) owner to symphony_core_owner;
revoke all on function core.create_month_partition(text, text, date) from public;
comment on function core.create_month_partition(text, text, date) is
$$Makes one monthly leaf of a registered table (core.month_partitioned) and attaches it; returns its name, or null when it exists.
The one place with dynamic SQL; SECURITY INVOKER, so it can do no more than the calling context's owner.
Callers: <context>.ensure_partitions. Writes: catalog. Locks: parent SHARE UPDATE EXCLUSIVE; tables tied by foreign keys SHARE ROW EXCLUSIVE, bounded by lock_timeout. Raises: P0002 for an unregistered table, 55P03 when a lock is not had in time, 42P07 or 23505 beside another maker. Idempotent: yes.$$;
