-- expects: evidence.planted
create table evidence.planted (participant_id text primary key);
