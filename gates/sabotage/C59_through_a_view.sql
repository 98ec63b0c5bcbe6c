-- expects: evidence.planted
create view outbox.inner_planted as select p.participant_id, p.parties from outbox.instruction_parties as p;
create view evidence.planted with (security_barrier = true) as select i.parties from outbox.inner_planted as i;
