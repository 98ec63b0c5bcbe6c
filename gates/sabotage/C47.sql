-- expects: core.planted()
create function core.planted() returns integer language sql as 'select 1';
