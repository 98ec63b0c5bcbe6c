create or replace function ingress.retire_seen() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '250ms'
as $$
declare
  v_now_bucket bigint := extract(epoch from core.now())::bigint / 600;
  v_closed bigint;
  v_over bigint[];
  v_emptied integer := 0;
begin
  select h.closed_bucket into v_closed from ingress.replay_horizon as h for update;
  -- A proof is good for at most its own bucket and the one after; a token's time is its end.
  if v_now_bucket - 2 <= v_closed then
    return 0;
  end if;
  -- The slots of buckets further back are those of buckets to come; what they still hold of old harms nobody.
  v_over := array(select b % 8 from generate_series(greatest(v_closed + 1, v_now_bucket - 4), v_now_bucket - 2) as b);
  update ingress.replay_horizon as h set closed_bucket = v_now_bucket - 2;
  -- What still waits for a slot finds its bucket closed. TRUNCATE leaves nothing to vacuum. A slot in use stays full until its next turn is
  -- over, which harms nobody; the others are emptied all the same.
  if 0 = any (v_over) then begin truncate ingress.seen_jti_0; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 1 = any (v_over) then begin truncate ingress.seen_jti_1; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 2 = any (v_over) then begin truncate ingress.seen_jti_2; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 3 = any (v_over) then begin truncate ingress.seen_jti_3; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 4 = any (v_over) then begin truncate ingress.seen_jti_4; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 5 = any (v_over) then begin truncate ingress.seen_jti_5; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 6 = any (v_over) then begin truncate ingress.seen_jti_6; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  if 7 = any (v_over) then begin truncate ingress.seen_jti_7; v_emptied := v_emptied + 1; exception when lock_not_available then null; end; end if;
  return v_emptied;
end
$$;
alter function ingress.retire_seen() owner to symphony_ingress_owner;
revoke all on function ingress.retire_seen() from public;
comment on function ingress.retire_seen() is
$$Closes the buckets of the replay store that are over by the database's clock, and empties their slots. Returns how many it emptied: a slot that somebody holds is passed over. From then on proofs of a closed bucket are refused unseen, whatever the clock says later.
Callers: symphony_maintainer. Writes: replay_horizon, seen_jti (TRUNCATE of slots). Locks: the row of replay_horizon; ACCESS EXCLUSIVE on the slots, each waited for at most 250 ms. Raises: 55P03 when the row is not had; repeat. Idempotent: yes.$$;
