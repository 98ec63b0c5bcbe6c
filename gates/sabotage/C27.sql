-- expects: policy.halts_in_force
create rule planted as on delete to policy.halts_in_force do instead nothing;
