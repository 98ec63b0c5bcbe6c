-- expects: outbox.repair_expired_leases
do $$
begin
  execute replace(pg_get_functiondef('outbox.repair_expired_leases'::regproc), 'expired as materialized (', 'expired as (');
end
$$;
