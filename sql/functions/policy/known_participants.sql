create or replace function policy.known_participants(p_participant_ids text[]) returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return array(
    select distinct p.participant_id
    from policy.participants as p
    where p.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE')
      and p.participant_id = any (p_participant_ids)
    order by p.participant_id);
end
$$;
alter function policy.known_participants(text[]) owner to symphony_policy_owner;
revoke all on function policy.known_participants(text[]) from public;
comment on function policy.known_participants(text[]) is
$$The given participants that the ACTIVE policy knows, once each and in sorted order (the lock order).
Callers: ingress.accept, outbox.enqueue_payment_outbox. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
