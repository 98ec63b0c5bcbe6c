create or replace function policy.guard_version() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    if (old.status, new.status) in (('DRAFT', 'ACTIVE'), ('ACTIVE', 'RETIRED'), ('RETIRED', 'ACTIVE'))
      and (new.policy_version, new.checksum, new.content, new.proposed_by, new.proposed_at, new.time_zone, new.in_flight_cap_global)
        is not distinct from
        (old.policy_version, old.checksum, old.content, old.proposed_by, old.proposed_at, old.time_zone, old.in_flight_cap_global)
    then
      return new;
    end if;
  end if;
  perform core.raise_error('SX001', jsonb_build_object('table', 'policy.policy_versions', 'operation', tg_op));
  return null;
end
$$;
alter function policy.guard_version() owner to symphony_policy_owner;
revoke all on function policy.guard_version() from public;
comment on function policy.guard_version() is
$$Trigger of policy.policy_versions: only the status moves (DRAFT, ACTIVE, RETIRED and back to ACTIVE), everything else is append-only.
Callers: trigger only. Writes: nothing. Locks: none. Raises: SX001. Idempotent: yes.$$;
create or replace trigger guard_version before update or delete on policy.policy_versions
for each row execute function policy.guard_version();
alter table policy.policy_versions enable always trigger guard_version;
