create or replace function policy.list_rails() returns setof policy.rails
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
rows 4
as $$
begin
  return query
  select r.* from policy.rails as r
  where r.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE');
end
$$;
alter function policy.list_rails() owner to symphony_policy_owner;
revoke all on function policy.list_rails() from public;
comment on function policy.list_rails() is
$$Budgets of the ACTIVE policys rails.
Callers: outbox.claim_outbox_batch, outbox.complete_outbox_attempts. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
