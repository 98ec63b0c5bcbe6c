-- expects: evidence.evidence_events
alter table evidence.evidence_events drop column commitment cascade;
