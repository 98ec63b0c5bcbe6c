-- expects: symphony_operator
alter role symphony_operator password 'planted';
