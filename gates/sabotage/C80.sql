-- expects: outbox.wake_executors()
create or replace function outbox.wake_executors() returns void language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as 'begin return; end';
