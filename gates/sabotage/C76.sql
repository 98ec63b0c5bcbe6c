-- expects: evidence.cases
alter table evidence.cases alter column commitment drop not null;
