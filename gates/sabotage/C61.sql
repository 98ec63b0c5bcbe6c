-- expects: policy.policy_versions.checksum
alter table policy.policy_versions alter column checksum drop not null;
