create or replace function outbox.is_beneficiary(p_beneficiary text) returns boolean
language sql immutable parallel safe
return case when octet_length(p_beneficiary) <= 2048 and pg_input_is_valid(p_beneficiary, 'jsonb') and p_beneficiary is json object with unique keys then
  p_beneficiary::jsonb - '{account,agent,name}'::text[] = '{}' and coalesce(length(p_beneficiary::jsonb ->> 'account') between 1 and 254, false)
  and not jsonb_path_exists(p_beneficiary::jsonb, '$.* ? (@.type() != "string")') else false end;
alter function outbox.is_beneficiary(text) owner to symphony_outbox_owner;
revoke all on function outbox.is_beneficiary(text) from public;
comment on function outbox.is_beneficiary(text) is
$$Whether a text is JSON of whom an alias stands for: account, and where known agent and name, strings all of them. What a registry says cannot fail here, nor bring other members into the parties.
Callers: outbox.list_alias_answers, ingress.alias_reasons. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
