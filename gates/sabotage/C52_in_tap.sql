-- expects: function tap.planted()
create schema tap;
create extension pgtap with schema tap;
create function tap.planted() returns integer language sql security definer return 1;
