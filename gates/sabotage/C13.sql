-- expects: planted
create role planted;
grant symphony_ingest to planted with admin true, inherit false, set true;
