-- expects: synchronous_commit
set local synchronous_commit = local;
