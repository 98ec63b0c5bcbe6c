-- expects: role symphony_auditor
grant symphony_auditor to symphony_operator with inherit false, set true;
