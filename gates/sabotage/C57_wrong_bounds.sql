-- expects: evidence.evidence_events_209901
create table evidence.evidence_events_209901 partition of evidence.evidence_events
for values from ('0fffffff-0000-0000-0000-000000000000') to ('0fffffff-ffff-0000-0000-000000000000');
