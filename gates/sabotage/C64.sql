-- expects: policy.rails.rail_retry_ceiling_is_finite
alter table policy.rails drop constraint rail_retry_ceiling_is_finite;
