-- expects: evidence.planted
create view evidence.planted with (security_barrier = true) as select p.parties from outbox.instruction_parties as p;
