create or replace function core.raise_error(p_sqlstate text, p_detail jsonb default '{}') returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_error core.errors;
begin
  select e.* into v_error from core.errors as e where e.sqlstate = p_sqlstate;
  if not found then
    select e.* into v_error from core.errors as e where e.sqlstate = 'SX002';
  end if;
  raise exception using
    errcode = v_error.sqlstate,
    message = v_error.name || ': ' || v_error.message,
    detail = p_detail::text,
    hint = v_error.hint;
end
$$;
alter function core.raise_error(text, jsonb) owner to symphony_core_owner;
revoke all on function core.raise_error(text, jsonb) from public;
comment on function core.raise_error(text, jsonb) is
$$Raises a registered error: constant MESSAGE and HINT from core.errors, particulars as JSON in DETAIL.
Callers: every context. Writes: nothing. Locks: none. Raises: the given SQLSTATE, or SX002 when it is not registered. Idempotent: yes.$$;
