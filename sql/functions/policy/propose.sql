create or replace function policy.propose(p_document jsonb, p_operator text) returns bytea
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_checksum bytea;
  v_version integer;
  v_known bytea;
begin
  if jsonb_typeof(p_document -> 'rails') is distinct from 'array' or jsonb_typeof(p_document -> 'participants') is distinct from 'array' then
    perform core.raise_error('SV201', jsonb_build_object('member', 'rails or participants'));
  end if;
  v_checksum := sha256(convert_to(core.canonical_json(p_document), 'UTF8'));
  v_version := (p_document ->> 'version')::integer;
  select p.checksum into v_known from policy.policy_versions as p where p.policy_version = v_version;
  if v_known = v_checksum then
    return v_checksum;
  elsif found then
    perform core.raise_error('SC201', jsonb_build_object('policy_version', v_version));
  end if;
  perform from pg_timezone_names as z where z.name = p_document ->> 'time_zone';
  if not found or coalesce(p_operator, '') = '' then
    perform core.raise_error('SV201', jsonb_build_object('member', 'time_zone or operator'));
  end if;
  insert into policy.policy_versions (policy_version, checksum, content, time_zone, in_flight_cap_global, proposed_by, proposed_at)
  values (v_version, v_checksum, p_document, p_document ->> 'time_zone',
    (p_document #>> '{caps,in_flight_global}')::integer, p_operator, v_now);
  perform policy.project(p_version => v_version, p_document => p_document);
  return v_checksum;
exception
  -- The typed tables are the second reader of the document: what they refuse becomes one named error.
  when not_null_violation or check_violation or unique_violation or foreign_key_violation
    or invalid_text_representation or numeric_value_out_of_range or invalid_parameter_value then
    perform core.raise_error('SV201', jsonb_build_object('policy_version', v_version, 'sqlstate', sqlstate));
    return null;
end
$$;
alter function policy.propose(jsonb, text) owner to symphony_policy_owner;
revoke all on function policy.propose(jsonb, text) from public;
comment on function policy.propose(jsonb, text) is
$$Records a policy document as a DRAFT version and spreads it over the typed tables; returns its checksum (SHA-256 of the RFC 8785 form).
Callers: symphony_policy_admin. Writes: policy_versions, participants, participant_rails, participant_limits, participant_proxies, rails, rail_currencies. Locks: none beyond the rows. Raises: SV201 when a member is missing or inconsistent, SC201 when the version exists with other content, SV001. Idempotent: yes, for the same document.$$;
