-- expects: evidence.cases
create or replace trigger refuse_change before update of kind or delete on evidence.cases
for each row execute function core.refuse_change();
alter table evidence.cases enable always trigger refuse_change;
