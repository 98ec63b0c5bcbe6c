-- expects: rails.rail_messages
alter table rails.rail_messages drop column recorded_xid cascade;
