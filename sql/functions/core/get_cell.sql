create or replace function core.get_cell() returns core.cell
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_cell core.cell;
begin
  select c.* into v_cell from core.cell as c order by c.epoch desc limit 1;
  if not found then
    perform core.raise_error('SX003');
  end if;
  return v_cell;
end
$$;
alter function core.get_cell() owner to symphony_core_owner;
revoke all on function core.get_cell() from public;
comment on function core.get_cell() is
$$Which cell this database is, and its epoch.
Callers: ingress.attest, policy.static_reasons. Writes: nothing. Locks: none. Raises: SX003 before the cell is established. Idempotent: yes.$$;
