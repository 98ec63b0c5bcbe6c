create or replace function rails.publish_response_classes(p_document jsonb, p_operator text) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_rail text := p_document ->> 'rail';
  v_version integer;
  v_newest integer;
  v_rows integer;
begin
  v_version := (p_document ->> 'version')::integer;
  select coalesce(max(c.version), 0) into v_newest from rails.response_classes as c where c.rail = v_rail;
  if v_version = v_newest and rails.same_response_classes(p_document) then
    return 0;
  elsif v_version is distinct from v_newest + 1 then
    perform core.raise_error('SC601', jsonb_build_object('rail', v_rail, 'version', v_version, 'newest', v_newest));
  elsif v_rail !~ '^[a-z0-9][a-z0-9_-]{0,31}$' or coalesce(p_operator, '') = '' then
    perform core.raise_error('SV601', jsonb_build_object('rail', v_rail));
  end if;
  insert into rails.response_classes (rail, version, phase, rail_code, answer_class, meaning, owner, published_by, published_at)
  select v_rail, v_version, c.phase, c.rail_code, c.answer_class, c.meaning, p_document ->> 'owner', p_operator, v_now
  from jsonb_to_recordset(p_document -> 'classes') as c(phase rails.phase, rail_code text, answer_class outbox.answer_class, meaning text);
  get diagnostics v_rows = row_count;
  if v_rows = 0 then
    perform core.raise_error('SV601', jsonb_build_object('rail', v_rail, 'classes', 0));
  end if;
  return v_rows;
exception
  when not_null_violation or check_violation or unique_violation or invalid_text_representation or invalid_parameter_value
    or numeric_value_out_of_range then
    perform core.raise_error('SV601', jsonb_build_object('rail', v_rail, 'version', v_version, 'sqlstate', sqlstate));
    return 0;
end
$$;
alter function rails.publish_response_classes(jsonb, text) owner to symphony_rails_owner;
revoke all on function rails.publish_response_classes(jsonb, text) from public;
comment on function rails.publish_response_classes(jsonb, text) is
$$Publishes the next version of what a rail's answers mean; from its commit on it decides. Returns the rows written, 0 when the same content is published already.
Callers: symphony_policy_admin. Writes: response_classes. Locks: none beyond the rows. Raises: SC601 version is not the next, SV601 incomplete document. Idempotent: yes, for the same document.$$;
