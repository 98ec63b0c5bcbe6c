-- expects: core.planted()
create function core.planted() returns timestamptz language internal as 'now';
