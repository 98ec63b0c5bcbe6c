-- expects: policy.halts
alter table policy.halts enable replica trigger refuse_change;
