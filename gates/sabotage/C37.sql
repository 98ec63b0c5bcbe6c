-- expects: session_replication_role
grant set on parameter session_replication_role to symphony_maintainer;
