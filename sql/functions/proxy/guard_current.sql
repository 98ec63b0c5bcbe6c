create or replace function proxy.guard_current() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.participant_id = old.participant_id and new.proxy_type = old.proxy_type and new.proxy_hash = old.proxy_hash
    and new.observed_at >= old.observed_at then
    return new;
  end if;
  perform core.raise_error('SX301', jsonb_build_object('participant_id', old.participant_id));
  return null;
end
$$;
alter function proxy.guard_current() owner to symphony_proxy_owner;
revoke all on function proxy.guard_current() from public;
comment on function proxy.guard_current() is
$$Trigger of proxy_resolution_current: a cached answer is only ever replaced by one observed later, of the same alias.
Callers: trigger only. Writes: nothing. Locks: none. Raises: SX301. Idempotent: yes.$$;
create or replace trigger guard_current before update on proxy.proxy_resolution_current
for each row execute function proxy.guard_current();
alter table proxy.proxy_resolution_current enable always trigger guard_current;
