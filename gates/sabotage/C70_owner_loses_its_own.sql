-- expects: function outbox.wake_executors()
revoke execute on function outbox.wake_executors() from symphony_outbox_owner;
