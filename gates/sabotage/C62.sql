-- expects: policy.ux_policy_versions_one_active
drop index policy.ux_policy_versions_one_active;
