create or replace function outbox.extend_leases(p_worker text, p_leases outbox.lease[], p_lease interval)
returns table (participant_id text, outbox_id uuid, lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
begin
  perform outbox.check_worker_call(p_worker => p_worker, p_items => cardinality(p_leases), p_lease => p_lease);
  return query
  update outbox.payment_outbox_in_flight as f
  set lease_expires_at = greatest(f.lease_expires_at, v_now + p_lease)
  from (select l.* from unnest(p_leases) as l order by l.participant_id, l.outbox_id) as g  -- the order in which completion locks
  where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id
    and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.lease_expires_at > v_now
  returning f.participant_id, f.outbox_id, f.lease_expires_at;
end
$$;
alter function outbox.extend_leases(text, outbox.lease[], interval) owner to symphony_outbox_owner;
revoke all on function outbox.extend_leases(text, outbox.lease[], interval) from public;
comment on function outbox.extend_leases(text, outbox.lease[], interval) is
$$Renews leases the worker still holds; returns those. A missing one is lost: stop working on it.
Callers: symphony_executor. Writes: payment_outbox_in_flight. Locks: the lease rows. Raises: SV401, SV402, SV403. Idempotent: yes.$$;
