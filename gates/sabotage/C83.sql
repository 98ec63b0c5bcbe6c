-- expects: rule or view evidence.planted
create view evidence.planted as select query_to_xml('select 1', true, true, '');
