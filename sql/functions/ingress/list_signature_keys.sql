create or replace function ingress.list_signature_keys()
returns table (
  key_id text, client_id text, participant_id text, alg text, public_jwk text, active_from timestamptz, active_until timestamptz,
  retired_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_since timestamptz := core.now() - interval '1 day';
begin
  return query
  select k.key_id, k.client_id, k.participant_id, k.alg, k.public_jwk, k.active_from, k.active_until, r.retired_at
  from ingress.signature_keys as k
  left join ingress.retired_signature_keys as r on r.key_id = k.key_id
  where (k.active_until is null or k.active_until > v_since) and (r.retired_at is null or r.retired_at > v_since)
  order by k.registered_at, k.key_id;
end
$$;
alter function ingress.list_signature_keys() owner to symphony_ingress_owner;
revoke all on function ingress.list_signature_keys() from public;
comment on function ingress.list_signature_keys() is
$$Every registered key of signed requests that did not end more than a day ago, with its end where it has one. All there ever were: evidence.signature_keys.
Callers: symphony_ingest (its cache), symphony_operator. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
