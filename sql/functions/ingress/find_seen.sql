create or replace function ingress.find_seen(p_slots smallint[], p_besides smallint[], p_keys uuid[], p_requests uuid[]) returns bigint[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_custom_plan
as $$
declare
  v_slot smallint;
  v_found bigint[] := '{}';
begin
  -- Slot by slot, planned anew with the slot as a constant: a plan for any slot locks all eight, and ingress.retire_seen would wait for it.
  for v_slot in select distinct s.slot from unnest(p_slots || p_besides) as s(slot) where s.slot is not null order by s.slot loop
    v_found := v_found || array(
      select u.place from unnest(p_slots, p_besides, p_keys, p_requests) with ordinality as u(slot, beside, seen_key, correlation_id, place)
      where v_slot in (u.slot, u.beside)
        and exists (select from ingress.seen_jti as s where s.slot = v_slot and s.seen_key = u.seen_key and s.correlation_id <> u.correlation_id));
  end loop;
  return v_found;
end
$$;
alter function ingress.find_seen(smallint[], smallint[], uuid[], uuid[]) owner to symphony_ingress_owner;
revoke all on function ingress.find_seen(smallint[], smallint[], uuid[], uuid[]) from public;
comment on function ingress.find_seen(smallint[], smallint[], uuid[], uuid[]) is
$$The places, counted from 1, of those keys that their slot of the replay store, or the one beside it, holds for another request.
Callers: ingress.use_proofs. Writes: nothing. Locks: ACCESS SHARE on these slots and no other. Raises: nothing. Idempotent: yes.$$;
