-- expects: policy.rails.rail_retry_ceiling_is_finite
alter table policy.rails drop constraint rail_retry_ceiling_is_finite;
alter table policy.rails add constraint rail_retry_ceiling_is_finite check (retry_max between 0 and 30000);
