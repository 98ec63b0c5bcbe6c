create or replace function policy.list_rails()
returns table (
  rail text, in_flight_cap integer, lease_ms integer, settle_ms integer, retry_max smallint, retry_base_ms integer,
  retry_cap_ms integer, enquiry_after_ms integer[], retired boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
rows 4
as $$
#variable_conflict use_column
begin
  return query
  select distinct on (r.rail) r.rail, r.in_flight_cap, r.lease_ms, r.settle_ms, r.retry_max, r.retry_base_ms, r.retry_cap_ms,
    r.enquiry_after_ms, v.status <> 'ACTIVE'
  from policy.rails as r
  join policy.policy_versions as v on v.policy_version = r.policy_version and v.status <> 'DRAFT'
  order by r.rail, v.status = 'ACTIVE' desc, r.policy_version desc;
end
$$;
alter function policy.list_rails() owner to symphony_policy_owner;
revoke all on function policy.list_rails() from public;
comment on function policy.list_rails() is
$$Budgets of the rails: those of the ACTIVE policy, and as retired those that only an earlier version had. A retired rail is sent nothing, but its uncertain payments are still enquired about.
Callers: outbox.open_claim_gate, outbox.complete_outbox_attempts, outbox.repair_expired_leases. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
