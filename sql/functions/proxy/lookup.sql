create or replace function proxy.lookup(p_keys proxy.alias_key[])
returns table (participant_id text, proxy_type text, proxy_hash bytea, sealed_beneficiary bytea, beneficiary_participant_id text, observed_at timestamptz, expires_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
begin
  return query
  select c.participant_id, c.proxy_type, c.proxy_hash, c.sealed_beneficiary, c.beneficiary_participant_id, c.observed_at, c.expires_at
  from unnest(p_keys) as k
  cross join lateral ( -- OFFSET 0: by the whole key, whatever the statistics say of an index on the expiry
    select c.* from proxy.proxy_resolution_current as c
    where c.participant_id = k.participant_id and c.proxy_type = k.proxy_type and c.proxy_hash = k.proxy_hash
    offset 0) as c
  where c.status = 'RESOLVED' and c.expires_at > v_now;
end
$$;
alter function proxy.lookup(proxy.alias_key[]) owner to symphony_proxy_owner;
revoke all on function proxy.lookup(proxy.alias_key[]) from public;
comment on function proxy.lookup(proxy.alias_key[]) is
$$Cached answers that may still be believed, of the participant that asked itself; what is missing must be asked. The beneficiary is sealed under a key that only the alias leads to.
Callers: symphony_resolver. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
