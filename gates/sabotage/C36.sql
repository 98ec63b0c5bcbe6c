-- expects: every role in every database
alter role all set session_replication_role = replica;
