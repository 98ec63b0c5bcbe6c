-- expects: policy.policy_versions
alter table policy.policy_versions enable trigger refuse_truncate;
