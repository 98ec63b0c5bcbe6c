-- Append-only by trigger, second to privilege: ENABLE ALWAYS holds in replica mode too. Row triggers pass to leaves, TRUNCATE triggers do not.
create or replace trigger refuse_change before update or delete on evidence.evidence_events for each row execute function core.refuse_change();
alter table evidence.evidence_events enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on evidence.evidence_events for each statement execute function core.refuse_change();
alter table evidence.evidence_events enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on evidence.cases for each row execute function core.refuse_change();
alter table evidence.cases enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on evidence.cases for each statement execute function core.refuse_change();
alter table evidence.cases enable always trigger refuse_truncate;
create or replace trigger refuse_change before update or delete on evidence.case_decisions for each row execute function core.refuse_change();
alter table evidence.case_decisions enable always trigger refuse_change;
create or replace trigger refuse_truncate before truncate on evidence.case_decisions for each statement execute function core.refuse_change();
alter table evidence.case_decisions enable always trigger refuse_truncate;
