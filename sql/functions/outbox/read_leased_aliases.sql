create or replace function outbox.read_leased_aliases(p_worker text, p_leases proxy.lease[])
returns table (participant_id text, outbox_id uuid, alias_type text, alias_value text, creditor_participant_id text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select h.participant_id, h.outbox_id, y.alias ->> 'type', y.alias ->> 'value', i.creditor_participant_id
  from proxy.list_held(p_worker => p_worker, p_participant_ids => array(select l.participant_id from unnest(p_leases) as l),
    p_outbox_ids => array(select l.outbox_id from unnest(p_leases) as l), p_lease_tokens => array(select l.lease_token from unnest(p_leases) as l)) as h
  cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say
    select y.parties::jsonb #> '{creditor,alias}' as alias from outbox.instruction_parties as y
    where y.participant_id = h.participant_id and y.outbox_id = h.outbox_id and y.erased_at is null offset 0) as y
  cross join lateral (
    select i.creditor_participant_id from outbox.payment_instructions as i
    where i.participant_id = h.participant_id and i.outbox_id = h.outbox_id offset 0) as i;
end
$$;
alter function outbox.read_leased_aliases(text, proxy.lease[]) owner to symphony_outbox_owner;
revoke all on function outbox.read_leased_aliases(text, proxy.lease[]) from public;
comment on function outbox.read_leased_aliases(text, proxy.lease[]) is
$$The aliases in clear, of leases that the resolver holds and of no others, with the creditor's participant where the payer named it.
Callers: symphony_resolver. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
