-- expects: symphony_auditor
alter role symphony_auditor inherit;
