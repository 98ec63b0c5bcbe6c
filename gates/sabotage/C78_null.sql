-- expects: evidence.case_decisions.checker
-- With NULL the CHECK for two identities lets one person decide.
alter table evidence.case_decisions alter column checker drop not null;
