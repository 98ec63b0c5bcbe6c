-- expects: outbox.claim_gate
-- SECURITY LABEL itself needs a provider, which our servers do not load.
set local allow_system_table_mods = on;
insert into pg_catalog.pg_seclabel (objoid, classoid, objsubid, provider, label)
values ('outbox.claim_gate'::regclass, 'pg_catalog.pg_class'::regclass, 0, 'planted', 'public');
