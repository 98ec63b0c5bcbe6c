-- expects: policy.policy_versions.policy_checksum_is_sha256
alter table policy.policy_versions drop constraint policy_checksum_is_sha256;
