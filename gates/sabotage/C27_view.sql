-- expects: evidence.outcomes
create rule planted as on insert to evidence.outcomes do instead nothing;
