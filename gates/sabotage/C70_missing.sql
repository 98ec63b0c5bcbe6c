-- expects: view evidence.refusals
revoke select on evidence.refusals from symphony_auditor;
