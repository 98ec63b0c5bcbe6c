-- expects: core.schema_migration
alter table core.schema_migration owner to symphony_maintainer;
