-- expects: evidence.cases
drop trigger refuse_change on evidence.cases;
create trigger refuse_change after update or delete on evidence.cases for each row execute function core.refuse_change();
alter table evidence.cases enable always trigger refuse_change;
