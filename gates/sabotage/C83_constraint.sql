-- expects: constraint planted
alter table policy.halts add constraint planted check (query_to_xml(reason, true, true, '') is not null) not valid;
