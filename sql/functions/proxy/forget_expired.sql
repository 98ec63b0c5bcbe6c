create or replace function proxy.forget_expired(p_limit integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_now timestamptz := core.now();
  v_forgotten integer;
begin
  if p_limit is null or p_limit not between 1 and 100000 then
    perform core.raise_error('SV302', jsonb_build_object('limit', p_limit));
  end if;
  -- A refusal stays as long as an answer might still be on its way that was observed before it.
  with expired as materialized (
    select c.ctid as place
    from proxy.proxy_resolution_current as c
    where c.expires_at <= v_now - interval '15 minutes'
    order by c.expires_at
    limit p_limit
    for update skip locked
  )
  delete from proxy.proxy_resolution_current as c where c.ctid = any (array(select e.place from expired as e));
  get diagnostics v_forgotten = row_count;
  delete from proxy.miss_counts as m where m.hour < v_now - interval '1 day';
  return v_forgotten;
end
$$;
alter function proxy.forget_expired(integer) owner to symphony_proxy_owner;
revoke all on function proxy.forget_expired(integer) from public;
comment on function proxy.forget_expired(integer) is
$$Deletes cached answers that expired 15 minutes ago (longer than any lease) and miss counts of past days; returns how many answers.
Callers: symphony_maintainer. Writes: proxy_resolution_current, miss_counts. Locks: cache rows with SKIP LOCKED; miss rows. Raises: SV302 limit not in 1..100000. Idempotent: yes.$$;
