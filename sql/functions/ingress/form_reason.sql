create or replace function ingress.form_reason(
  p_participant_id text, p_instruction_id text, p_idempotency_key text, p_rail text, p_currency text, p_amount_minor bigint,
  p_creditor_participant_id text, p_end_to_end_id text, p_purpose text, p_requires_proxy boolean, p_parties text,
  p_facts_complete boolean, p_reject_reason text) returns text
language sql stable parallel safe -- as pg_input_is_valid is: as immutable it would not be in line in its caller
return case
  when p_reject_reason is not null then p_reject_reason
  -- Negated classes and lengths: a bounded repetition such as {1,64} costs ten times as much.
  when p_facts_complete and length(p_participant_id) between 1 and 32 and p_participant_id !~ '[^A-Z0-9._-]'
    and length(p_instruction_id) between 1 and 64 and p_instruction_id !~ '[^A-Za-z0-9._:/+-]' and p_instruction_id not in ('.', '..') -- no path of a URL can name them
    and length(p_idempotency_key) between 1 and 64 and p_idempotency_key !~ '[^A-Za-z0-9._:/+-]'
    and length(p_rail) between 1 and 32 and p_rail !~ '[^a-z0-9_-]'
    and length(p_currency) = 3 and p_currency !~ '[^A-Z]'
    and p_amount_minor between 1 and 9007199254740991
    and (p_creditor_participant_id is null or (length(p_creditor_participant_id) between 1 and 32 and p_creditor_participant_id !~ '[^A-Z0-9._-]'))
    and (p_end_to_end_id is null or length(p_end_to_end_id) between 1 and 35)
    and (p_purpose is null or length(p_purpose) between 1 and 4)
    and p_requires_proxy is not null
    and length(p_parties) <= 8192 and p_parties is json object
  then case when p_requires_proxy and not pg_input_is_valid(p_parties, 'jsonb') then 'ITEM_INVALID' when p_requires_proxy and not coalesce(p_parties::jsonb #>> '{creditor,alias,type}' ~ '^[A-Z0-9]{1,4}$'
    and length(p_parties::jsonb #>> '{creditor,alias,value}') between 1 and 2048, false) then 'PROXY_NOT_SUPPORTED' end
  else 'ITEM_INVALID'
end;
alter function ingress.form_reason(text, text, text, text, text, bigint, text, text, text, boolean, text, boolean, text) owner to symphony_ingress_owner;
revoke all on function ingress.form_reason(text, text, text, text, text, bigint, text, text, text, boolean, text, boolean, text) from public;
comment on function ingress.form_reason(text, text, text, text, text, bigint, text, text, text, boolean, text, boolean, text) is
$$Why an item cannot be recorded as it stands (the ingress's own refusal, ITEM_INVALID, PROXY_NOT_SUPPORTED for an alias that is none), or null. Keeps a malformed item from failing its batch mates on a constraint.
Callers: ingress.list_intents. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
