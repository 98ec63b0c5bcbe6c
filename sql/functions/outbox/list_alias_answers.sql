create or replace function outbox.list_alias_answers(p_answers outbox.alias_answer[])
returns table (
  participant_id text, outbox_id uuid, lease_token uuid, alias jsonb, digits text, parties text, salt bytea, earlier text, creditor_participant_id text,
  whole boolean, proxy_hash bytea, hash_key_id text, cached_hash bytea, status text, reason_code text, beneficiary_participant_id text,
  beneficiary text, sealed_beneficiary bytea, source text, source_version text, response_sha256 bytea, latency_us bigint, usable boolean, resolved boolean)
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
  select a.participant_id, a.outbox_id, a.lease_token, a.alias, regexp_replace(a.alias ->> 'value', '[^0-9]', '', 'g'), a.parties, a.salt, a.earlier,
    a.creditor_participant_id,
    coalesce(octet_length(a.proxy_hash) = 32 and a.hash_key_id ~ '^[a-z][a-z0-9-]{0,47}:v[0-9]{1,9}$' and length(a.source) between 1 and 64
      and a.source !~ '[^a-z0-9._-]', false),
    a.proxy_hash, a.hash_key_id, a.cached_hash, a.status, a.reason_code, a.beneficiary_participant_id,
    -- RFC 8785 of these four members, for to_json() of a text escapes as it does; core.canonical_json would cost more than all the rest.
    case when a.usable and a.status = 'RESOLVED' then '{' || concat_ws(',', '"account":' || to_json(a.said ->> 'account'), '"agent":' || to_json(a.said ->> 'agent'),
      '"name":' || to_json(a.said ->> 'name'), '"participant_id":' || to_json(a.beneficiary_participant_id)) || '}' end,
    a.sealed_beneficiary, a.source, case when length(a.source_version) <= 64 and a.source_version !~ '[^ -~]' then a.source_version end,
    case when octet_length(a.response_sha256) = 32 then a.response_sha256 end, a.latency_us, a.usable, a.usable and a.status = 'RESOLVED'
  from (
    select u.*, b.said, y.parties, y.salt, y.beneficiary as earlier, i.creditor_participant_id, y.parties::jsonb #> '{creditor,alias}' as alias,
      case when u.status = 'RESOLVED' then u.reason_code is null and u.beneficiary_participant_id ~ '^[A-Z0-9][A-Z0-9._-]{0,31}$'
          and b.said is not null and octet_length(u.sealed_beneficiary) between 1 and 4096
          and (octet_length(u.response_sha256) = 32 or u.cached_hash is not null)
        when u.status = 'TEMP_UNAVAILABLE' then u.reason_code in ('PROXY_REGISTRY_UNAVAILABLE', 'PROXY_REGISTRY_TIMEOUT', 'PROXY_REGISTRY_ERROR', 'PROXY_ANSWER_UNUSABLE')
        else octet_length(u.response_sha256) = 32 and coalesce(u.reason_code = any (case u.status when 'NOT_FOUND' then '{PROXY_NOT_FOUND}'::text[]
          when 'INVALID' then '{PROXY_INVALID,PROXY_AMBIGUOUS,PROXY_INVALID_FORMAT,PROXY_TYPE_UNSUPPORTED}' when 'REVOKED' then '{PROXY_REVOKED}' end), false)
        end as usable
    from (
      -- The first answer about an instruction is the one that counts.
      select distinct on (n.participant_id, n.outbox_id) n.*
      from unnest(p_answers) with ordinality as n(participant_id, outbox_id, lease_token, proxy_hash, hash_key_id, cached_hash, status, reason_code,
        beneficiary_participant_id, beneficiary, sealed_beneficiary, source, source_version, response_sha256, latency_us, n)
      order by n.participant_id, n.outbox_id, n.n) as u
    cross join lateral (select case when outbox.is_beneficiary(u.beneficiary) then u.beneficiary::jsonb end as said offset 0) as b
    cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say
      select y.parties, y.salt, y.beneficiary from outbox.instruction_parties as y
      where y.participant_id = u.participant_id and y.outbox_id = u.outbox_id and y.erased_at is null offset 0) as y
    cross join lateral (
      select i.creditor_participant_id from outbox.payment_instructions as i
      where i.participant_id = u.participant_id and i.outbox_id = u.outbox_id offset 0) as i
    offset 0) as a;
end
$$;
alter function outbox.list_alias_answers(outbox.alias_answer[]) owner to symphony_outbox_owner;
revoke all on function outbox.list_alias_answers(outbox.alias_answer[]) from public;
comment on function outbox.list_alias_answers(outbox.alias_answer[]) is
$$Answers, one an instruction, beside the instructions they are about: alias, parties, salt, an earlier beneficiary; whether our own members are whole, whether the answer can be used, and its beneficiary in RFC 8785 form with the participant in it.
Callers: outbox.record_resolutions. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
