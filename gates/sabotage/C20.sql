-- expects: evidence.outcomes
grant select on evidence.outcomes to public;
