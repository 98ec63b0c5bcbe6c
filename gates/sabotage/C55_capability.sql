-- expects: symphony_backdoor
create role symphony_backdoor nologin;
