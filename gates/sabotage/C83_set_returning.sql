-- expects: rule or view evidence.planted
create view evidence.planted as select s.word from ts_stat('select null::tsvector') as s;
