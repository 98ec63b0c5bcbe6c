create or replace function policy.get_active()
returns table (policy_version integer, checksum bytea, limit_day date, in_flight_cap_global integer, activated_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
begin
  return query
  select p.policy_version, p.checksum, (v_now at time zone p.time_zone)::date, p.in_flight_cap_global, p.activated_at
  from policy.policy_versions as p
  where p.status = 'ACTIVE';
end
$$;
alter function policy.get_active() owner to symphony_policy_owner;
revoke all on function policy.get_active() from public;
comment on function policy.get_active() is
$$The ACTIVE policy and today's limit day in its time zone; no row when there is none. Also the boot query of every service.
Callers: symphony_ingest, symphony_executor, symphony_policy_admin, ingress.accept, outbox.open_claim_gate, outbox.enqueue_payment_outbox, ops.get_status. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
