-- expects: outbox.planted.claimed_at
create type outbox.planted as (claimed_at timestamp);
