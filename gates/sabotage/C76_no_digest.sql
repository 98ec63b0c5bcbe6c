-- expects: policy.halts
alter table policy.halts drop constraint halt_commitment_is_sha256;
