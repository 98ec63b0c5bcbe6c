-- Append-only by trigger, second to privilege: ENABLE ALWAYS holds in replica mode too.
create or replace trigger refuse_change before update or delete on routing.routing_decisions for each row execute function core.refuse_change();
alter table routing.routing_decisions enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on routing.routing_decisions for each statement execute function core.refuse_change();
alter table routing.routing_decisions enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on routing.rules for each row execute function core.refuse_change();
alter table routing.rules enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on routing.rules for each statement execute function core.refuse_change();
alter table routing.rules enable always trigger refuse_truncate;
