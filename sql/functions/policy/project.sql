create or replace function policy.project(p_version integer, p_document jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into policy.rails (policy_version, rail, in_flight_cap, lease_ms, settle_ms, retry_max, retry_base_ms, retry_cap_ms, enquiry_after_ms)
  select p_version, r.rail, r.in_flight_cap, r.lease_ms, r.settle_ms, r.retry_max, r.retry_base_ms, r.retry_cap_ms, r.enquiry_after_ms
  from jsonb_to_recordset(p_document -> 'rails') as r(rail text, in_flight_cap integer, lease_ms integer, settle_ms integer,
    retry_max smallint, retry_base_ms integer, retry_cap_ms integer, enquiry_after_ms integer[]);

  insert into policy.rail_currencies (policy_version, rail, currency)
  select p_version, r ->> 'rail', c
  from jsonb_array_elements(p_document -> 'rails') as r, jsonb_array_elements_text(r -> 'currencies') as c;

  insert into policy.participants (policy_version, participant_id, tenant_id, home_cell_id, home_cell_epoch, status, in_flight_cap)
  select p_version, p.participant_id, p.tenant_id, p.home_cell_id, p.home_cell_epoch, p.status, p.in_flight_cap
  from jsonb_to_recordset(p_document -> 'participants') as p(participant_id text, tenant_id text, home_cell_id text,
    home_cell_epoch integer, status policy.participant_status, in_flight_cap integer);

  insert into policy.participant_rails (policy_version, participant_id, rail)
  select p_version, p ->> 'participant_id', r
  from jsonb_array_elements(p_document -> 'participants') as p, jsonb_array_elements_text(p -> 'rails') as r;

  insert into policy.participant_limits (policy_version, participant_id, currency, transaction_max_minor, day_value_max_minor, day_count_max)
  select p_version, p ->> 'participant_id', l.currency, l.transaction_max_minor, l.day_value_max_minor, l.day_count_max
  from jsonb_array_elements(p_document -> 'participants') as p,
    jsonb_to_recordset(p -> 'limits') as l(currency text, transaction_max_minor bigint, day_value_max_minor bigint, day_count_max bigint);

  insert into policy.participant_proxies (policy_version, participant_id, mode, ttl_ms, pending_max_ms, sync_budget_ms, misses_per_hour_max)
  select p_version, p ->> 'participant_id', x.mode, x.ttl_ms, x.pending_max_ms, x.sync_budget_ms, x.misses_per_hour_max
  from jsonb_array_elements(p_document -> 'participants') as p,
    jsonb_to_record(p -> 'proxy') as x(mode text, ttl_ms integer, pending_max_ms integer, sync_budget_ms integer, misses_per_hour_max integer)
  where p ? 'proxy';

  -- An allow-list entry for a rail that the document does not describe would never match: refuse it now.
  if exists (select from policy.participant_rails as a where a.policy_version = p_version
    and not exists (select from policy.rails as r where r.policy_version = p_version and r.rail = a.rail)) then
    raise foreign_key_violation;
  end if;
end
$$;
alter function policy.project(integer, jsonb) owner to symphony_policy_owner;
revoke all on function policy.project(integer, jsonb) from public;
comment on function policy.project(integer, jsonb) is
$$Spreads a document over the typed tables, whose constraints check it member by member.
Callers: policy.propose. Writes: participants, participant_rails, participant_limits, participant_proxies, rails, rail_currencies. Locks: none beyond the rows. Raises: the constraint violations. Idempotent: no.$$;
