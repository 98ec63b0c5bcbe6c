-- Append-only by trigger, second to privilege: ENABLE ALWAYS holds in replica mode too. Row triggers pass to leaves, TRUNCATE triggers do not.
create or replace trigger refuse_change before update or delete on rails.response_classes for each row execute function core.refuse_change();
alter table rails.response_classes enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on rails.response_classes for each statement execute function core.refuse_change();
alter table rails.response_classes enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on rails.rail_messages for each row execute function core.refuse_change();
alter table rails.rail_messages enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on rails.rail_messages for each statement execute function core.refuse_change();
alter table rails.rail_messages enable always trigger refuse_truncate;
