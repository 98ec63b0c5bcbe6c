-- expects: policy.rails.retry_max
alter table policy.rails alter column retry_max drop not null;
