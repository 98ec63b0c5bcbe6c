-- The runner's own ledgers: what was applied is never rewritten.
create or replace trigger refuse_change before update or delete on core.schema_migration for each row execute function core.refuse_change();
alter table core.schema_migration enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.schema_migration for each statement execute function core.refuse_change();
alter table core.schema_migration enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on core.schema_repeatable for each row execute function core.refuse_change();
alter table core.schema_repeatable enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on core.schema_repeatable for each statement execute function core.refuse_change();
alter table core.schema_repeatable enable always trigger refuse_truncate;
