-- expects: evidence.planted
create function outbox.planted() returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp as 'begin return (select min(p.parties) from outbox.instruction_parties as p); end';
create view evidence.planted with (security_barrier = true) as select outbox.planted() as parties;
