-- expects: policy.ux_policy_versions_one_active
drop index policy.ux_policy_versions_one_active;
create unique index ux_policy_versions_one_active on policy.policy_versions (status) where status = 'DRAFT';
