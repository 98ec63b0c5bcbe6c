-- expects: policy.get_active()
alter function policy.get_active() rename to get_current;
