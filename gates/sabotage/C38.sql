-- expects: session_replication_role
set local session_replication_role = replica;
