-- expects: policy.halts
create or replace trigger refuse_change before update or delete on policy.halts for each row execute function outbox.guard_sequence();
alter table policy.halts enable always trigger refuse_change;
