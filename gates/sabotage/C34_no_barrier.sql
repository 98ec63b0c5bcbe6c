-- expects: evidence.outcomes
alter view evidence.outcomes set (security_barrier = false);
