-- expects: outbox.planted
-- ON ONLY leaves the root's index invalid until every leaf's is attached.
create index planted on only outbox.payment_instructions (rail);
