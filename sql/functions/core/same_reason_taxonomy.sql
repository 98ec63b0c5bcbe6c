create or replace function core.same_reason_taxonomy(p_document jsonb) returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_given jsonb;
  v_known jsonb;
begin
  select jsonb_agg(r order by r ->> 'reason_code') into v_given from jsonb_array_elements(p_document -> 'reasons') as r;
  select jsonb_agg(to_jsonb(t) - array['taxonomy_version', 'edition', 'published_by', 'published_at'] order by t.reason_code) into v_known
  from core.reason_taxonomy as t
  where t.taxonomy_version = (p_document ->> 'version')::integer and t.edition = p_document ->> 'edition';
  return v_given = v_known;
end
$$;
alter function core.same_reason_taxonomy(jsonb) owner to symphony_core_owner;
revoke all on function core.same_reason_taxonomy(jsonb) from public;
comment on function core.same_reason_taxonomy(jsonb) is
$$Whether a document says what the published version of the same number says.
Callers: core.publish_reason_taxonomy. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
