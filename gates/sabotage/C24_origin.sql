-- expects: evidence.cases
-- An ordinary trigger does not fire in replica mode.
alter table evidence.cases enable trigger refuse_change;
