create or replace function rails.same_response_classes(p_document jsonb) returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_given text[];
  v_known text[];
begin
  select array_agg(concat_ws(' ', c ->> 'phase', c ->> 'rail_code', c ->> 'answer_class') order by c ->> 'phase', c ->> 'rail_code')
  into v_given from jsonb_array_elements(p_document -> 'classes') as c;
  select array_agg(concat_ws(' ', k.phase, k.rail_code, k.answer_class) order by k.phase::text, k.rail_code)
  into v_known from rails.response_classes as k
  where k.rail = p_document ->> 'rail' and k.version = (p_document ->> 'version')::integer;
  return v_given = v_known;
end
$$;
alter function rails.same_response_classes(jsonb) owner to symphony_rails_owner;
revoke all on function rails.same_response_classes(jsonb) from public;
comment on function rails.same_response_classes(jsonb) is
$$Whether a document says what the published version of the same number says.
Callers: rails.publish_response_classes. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
