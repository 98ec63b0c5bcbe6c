-- expects: outbox.attempt_state
alter type outbox.attempt_state add value 'SETTLED';
