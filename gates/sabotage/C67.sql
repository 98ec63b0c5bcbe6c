-- expects: outbox.complete_outbox_attempts
do $$
begin
  execute replace(pg_get_functiondef('outbox.complete_outbox_attempts'::regproc), ' and f.lease_token = g.lease_token', '');
end
$$;
