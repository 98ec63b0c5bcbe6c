-- expects: outbox.extend_leases
do $$
begin
  execute replace(pg_get_functiondef('outbox.extend_leases'::regproc), ' and f.lease_expires_at > v_now', '');
end
$$;
