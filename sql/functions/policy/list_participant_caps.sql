create or replace function policy.list_participant_caps() returns table (participant_id text, in_flight_cap integer)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.participant_id, p.in_flight_cap from policy.participants as p
  where p.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE')
  order by p.participant_id;
end
$$;
alter function policy.list_participant_caps() owner to symphony_policy_owner;
revoke all on function policy.list_participant_caps() from public;
comment on function policy.list_participant_caps() is
$$In-flight caps of the ACTIVE policy's participants, sorted.
Callers: outbox.open_claim_gate. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
