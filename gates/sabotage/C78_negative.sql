-- expects: policy.limit_usage.limit_usage_is_never_negative
alter table policy.limit_usage drop constraint limit_usage_is_never_negative;
