create or replace function core.publish_reason_taxonomy(p_document jsonb, p_operator text) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_version integer;
  v_newest integer;
  v_rows integer;
begin
  v_version := (p_document ->> 'version')::integer;
  select coalesce(max(t.taxonomy_version), 0) into v_newest from core.reason_taxonomy as t;
  if v_version = v_newest and core.same_reason_taxonomy(p_document) then
    return 0;
  elsif v_version is distinct from v_newest + 1 then
    perform core.raise_error('SC002', jsonb_build_object('version', v_version, 'newest', v_newest));
  elsif p_document ->> 'code_set' is distinct from 'ExternalStatusReason1Code' then
    perform core.raise_error('SV004', jsonb_build_object('version', v_version, 'code_set', p_document -> 'code_set'));
  end if;
  insert into core.reason_taxonomy (taxonomy_version, reason_code, iso_code, iso_name, terminal, auto_retry, next_action, edition, published_by, published_at)
  select v_version, r.reason_code, r.iso_code, r.iso_name, r.terminal, r.auto_retry, r.next_action, p_document ->> 'edition', p_operator, v_now
  from jsonb_to_recordset(p_document -> 'reasons') as r(reason_code text, iso_code text, iso_name text, terminal boolean, auto_retry boolean, next_action text);
  get diagnostics v_rows = row_count;
  if v_rows = 0 then
    perform core.raise_error('SV004', jsonb_build_object('version', v_version, 'reasons', 0));
  end if;
  return v_rows;
exception
  when not_null_violation or check_violation or unique_violation or foreign_key_violation or invalid_text_representation
    or invalid_parameter_value or numeric_value_out_of_range then
    perform core.raise_error('SV004', jsonb_build_object('version', v_version, 'sqlstate', sqlstate));
    return 0;
end
$$;
alter function core.publish_reason_taxonomy(jsonb, text) owner to symphony_core_owner;
revoke all on function core.publish_reason_taxonomy(jsonb, text) from public;
comment on function core.publish_reason_taxonomy(jsonb, text) is
$$Publishes the next version of what our reasons mean in ISO 20022; from its commit on it counts, and a reason that it leaves out falls back to core.reasons. The names of the codes are checked when a release is built, not here. Returns the rows written, 0 when the same content is published already.
Callers: symphony_policy_admin. Writes: reason_taxonomy. Locks: none beyond the rows. Raises: SC002 version is not the next, SV004 incomplete document or unregistered reason. Idempotent: yes, for the same document.$$;
