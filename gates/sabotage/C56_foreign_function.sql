-- expects: outbox.claim_gate
create trigger planted before update on outbox.claim_gate for each row execute function pg_catalog.suppress_redundant_updates_trigger();
