create or replace function outbox.wake_executors() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('symphony_outbox_due', '');
end
$$;
alter function outbox.wake_executors() owner to symphony_outbox_owner;
revoke all on function outbox.wake_executors() from public;
comment on function outbox.wake_executors() is
$$NOTIFY symphony_outbox_due. Called after the accept has committed, in a transaction of its own: a commit with a pending NOTIFY takes a global lock. Workers poll anyway.
Callers: symphony_ingest. Writes: nothing. Locks: the notification queue at commit. Raises: nothing. Idempotent: yes.$$;
