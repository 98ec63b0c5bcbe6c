-- expects: evidence.cases
create or replace trigger refuse_change before update or delete on evidence.cases
for each row when (old.kind <> 'PLANTED') execute function core.refuse_change();
alter table evidence.cases enable always trigger refuse_change;
