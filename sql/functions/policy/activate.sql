create or replace function policy.activate(p_version integer, p_checksum bytea, p_operator text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_active integer;
begin
  -- One activation at a time; the partial unique index would refuse the second one anyway.
  lock table policy.policy_versions in share row exclusive mode;
  perform from policy.policy_versions as p
  where p.policy_version = p_version and p.checksum = p_checksum and coalesce(p_operator, '') <> '';
  if not found then
    perform core.raise_error('SN201', jsonb_build_object('policy_version', p_version));
  end if;
  select p.policy_version into v_active from policy.policy_versions as p where p.status = 'ACTIVE';
  if v_active = p_version then
    return;
  end if;
  update policy.policy_versions set status = 'RETIRED', retired_at = v_now where policy_version = v_active;
  update policy.policy_versions set status = 'ACTIVE', activated_by = p_operator, activated_at = v_now, retired_at = null
  where policy_version = p_version;
  perform evidence.record_event(p_kind => 'POLICY_ACTIVATED', p_actor => p_operator, p_facts => jsonb_build_object(
    'policy_version', p_version, 'checksum', encode(p_checksum, 'hex'), 'retired_version', v_active));
end
$$;
alter function policy.activate(integer, bytea, text) owner to symphony_policy_owner;
revoke all on function policy.activate(integer, bytea, text) from public;
comment on function policy.activate(integer, bytea, text) is
$$Makes a version the one ACTIVE version; a RETIRED one may come back (going back is an activation too).
Callers: symphony_policy_admin. Writes: policy_versions, evidence_events. Locks: policy_versions SHARE ROW EXCLUSIVE. Raises: SN201 when version and checksum do not match or no operator is named. Idempotent: yes.$$;
