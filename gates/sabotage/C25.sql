-- expects: policy.halts
drop trigger refuse_truncate on policy.halts;
