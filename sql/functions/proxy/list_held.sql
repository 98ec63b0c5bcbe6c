create or replace function proxy.list_held(p_worker text, p_participant_ids text[], p_outbox_ids uuid[], p_lease_tokens uuid[])
returns table (participant_id text, outbox_id uuid)
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
  select q.participant_id, q.outbox_id
  from unnest(p_participant_ids, p_outbox_ids, p_lease_tokens) as u(participant_id, outbox_id, lease_token)
  cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say
    select q.participant_id, q.outbox_id from proxy.resolution_queue as q
    where q.participant_id = u.participant_id and q.outbox_id = u.outbox_id
      and q.claimed_by = p_worker and q.lease_token = u.lease_token and q.lease_expires_at > v_now
    offset 0) as q;
end
$$;
alter function proxy.list_held(text, text[], uuid[], uuid[]) owner to symphony_proxy_owner;
revoke all on function proxy.list_held(text, text[], uuid[], uuid[]) from public;
comment on function proxy.list_held(text, text[], uuid[], uuid[]) is
$$Those of the leases that the worker still holds.
Callers: outbox.read_leased_aliases. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
