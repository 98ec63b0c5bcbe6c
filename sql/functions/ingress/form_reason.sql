create or replace function ingress.form_reason(p_item ingress.item) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_item.reject_reason is not null then p_item.reject_reason
    when p_item.participant_id ~ '^[A-Z0-9][A-Z0-9._-]{0,31}$'
      and p_item.instruction_id ~ '^[A-Za-z0-9._:/+-]{1,64}$'
      and p_item.idempotency_key ~ '^[A-Za-z0-9._:/+-]{1,64}$'
      and p_item.rail ~ '^[a-z0-9][a-z0-9_-]{0,31}$'
      and p_item.currency ~ '^[A-Z]{3}$'
      and p_item.amount_minor between 1 and 9007199254740991
      and coalesce(length(p_item.creditor_participant_id), 0) <= 32
      and coalesce(length(p_item.end_to_end_id), 0) <= 35
      and coalesce(length(p_item.purpose), 0) <= 4
      and length(p_item.parties) <= 8192 and p_item.parties is json object
      and p_item.requires_proxy is not null
    then case when p_item.requires_proxy then 'PROXY_NOT_SUPPORTED' end
    else 'ITEM_INVALID'
  end;
end
$$;
alter function ingress.form_reason(ingress.item) owner to symphony_ingress_owner;
revoke all on function ingress.form_reason(ingress.item) from public;
comment on function ingress.form_reason(ingress.item) is
$$Why an item cannot be recorded as it stands (the ingresss own refusal, ITEM_INVALID, PROXY_NOT_SUPPORTED), or null. Keeps a malformed item from failing its batch mates on a constraint.
Callers: ingress.accept. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
