-- expects: policy.get_active
create function policy.get_active(p_at timestamptz default null) returns integer language sql return 1;
