create or replace function outbox.paid_parties(p_parties text, p_beneficiary text) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parties jsonb := p_parties::jsonb;
  v_beneficiary jsonb := p_beneficiary::jsonb;
begin
  if p_parties is null or p_beneficiary is null then
    return null;
  end if;
  -- The registry says where the money goes; a name that the payer gave stays the payer's.
  return core.canonical_json(jsonb_set(v_parties, '{creditor}',
    (v_beneficiary - 'account' - 'agent' - 'participant_id') || ((v_parties -> 'creditor') - 'account' - 'agent')
    || jsonb_strip_nulls(jsonb_build_object('account', v_beneficiary -> 'account', 'agent', v_beneficiary -> 'agent'))));
end
$$;
alter function outbox.paid_parties(text, text) owner to symphony_outbox_owner;
revoke all on function outbox.paid_parties(text, text) from public;
comment on function outbox.paid_parties(text, text) is
$$The parties as the rail is to see them: the creditor's account and agent are those of the resolved beneficiary; null when either was erased. RFC 8785 JSON.
Callers: outbox.claim_outbox_batch. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
