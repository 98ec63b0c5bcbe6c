create or replace function outbox.alias_target_reason(
  p_parties text, p_creditor_participant_id text, p_earlier text, p_beneficiary text, p_beneficiary_participant_id text, p_may_receive boolean) returns text
language sql immutable parallel safe
return case
  when p_creditor_participant_id <> p_beneficiary_participant_id then 'PROXY_TARGET_CHANGED'
  -- pain.001.001.09 cannot leave the account out, so payers write NOTPROVIDED beside the alias.
  when coalesce(nullif(p_parties::jsonb #>> '{creditor,account}', 'NOTPROVIDED') <> p_beneficiary::jsonb ->> 'account', false) then 'PROXY_TARGET_CHANGED'
  when p_earlier <> p_beneficiary then 'PROXY_TARGET_CHANGED'
  when not p_may_receive then 'PROXY_BENEFICIARY_NOT_ALLOWED'
end;
alter function outbox.alias_target_reason(text, text, text, text, text, boolean) owner to symphony_outbox_owner;
revoke all on function outbox.alias_target_reason(text, text, text, text, text, boolean) from public;
comment on function outbox.alias_target_reason(text, text, text, text, text, boolean) is
$$Why a resolved beneficiary is not paid, or null: another participant or account than the payer named, another than the instruction was resolved to before (name included), or one that may not receive.
Callers: outbox.record_resolutions, ingress.alias_reasons. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
