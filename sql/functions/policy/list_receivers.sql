create or replace function policy.list_receivers(p_participant_ids text[]) returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return array(
    select p.participant_id
    from policy.participants as p
    where p.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE')
      and p.participant_id = any (p_participant_ids) and p.status in ('ACTIVE', 'RECEIVE_ONLY'));
end
$$;
alter function policy.list_receivers(text[]) owner to symphony_policy_owner;
revoke all on function policy.list_receivers(text[]) from public;
comment on function policy.list_receivers(text[]) is
$$Those of the participants that the ACTIVE policy lets receive.
Callers: outbox.record_resolutions, ingress.alias_reasons. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
