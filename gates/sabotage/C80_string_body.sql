-- expects: core.now()
create or replace function core.now() returns timestamptz language sql volatile parallel safe as 'select clock_timestamp()';
