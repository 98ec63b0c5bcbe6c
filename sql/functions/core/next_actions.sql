create or replace function core.next_actions(p_reason_codes text[]) returns table (reason_code text, next_action text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
rows 10
as $$
begin
  return query
  select r.reason_code, coalesce(t.next_action, r.next_action)
  from core.reasons as r
  left join core.reason_taxonomy as t on t.reason_code = r.reason_code
    and t.taxonomy_version = (select max(n.taxonomy_version) from core.reason_taxonomy as n)
  where r.reason_code = any (p_reason_codes);
end
$$;
alter function core.next_actions(text[]) owner to symphony_core_owner;
revoke all on function core.next_actions(text[]) from public;
comment on function core.next_actions(text[]) is
$$What to do next about each of these reasons, once: as the newest taxonomy says, or the register when that is silent. A code that is not registered has no row.
Callers: outbox, for the cases it opens. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
