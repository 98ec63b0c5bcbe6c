create or replace function policy.list_tenants() returns table (participant_id text, tenant_id text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select p.participant_id, p.tenant_id
  from policy.participants as p
  where p.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE');
end
$$;
alter function policy.list_tenants() owner to symphony_policy_owner;
revoke all on function policy.list_tenants() from public;
comment on function policy.list_tenants() is
$$The participants of the ACTIVE policy, each with its tenant.
Callers: ingress.list_client_certs. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
