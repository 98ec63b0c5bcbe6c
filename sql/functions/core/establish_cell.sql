create or replace function core.establish_cell(p_cell_id text, p_epoch integer) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
begin
  -- Waits for every accept under way: after this commit none records under the old epoch.
  lock table core.cell in exclusive mode;
  if exists (select from core.cell as c where c.cell_id = p_cell_id having max(c.epoch) = p_epoch) then
    return;
  end if;
  insert into core.cell (epoch, cell_id, established_at)
  select p_epoch, p_cell_id, v_now
  where not exists (select from core.cell as c where c.cell_id <> p_cell_id or c.epoch >= p_epoch);
  if not found then
    perform core.raise_error('SC001', jsonb_build_object('cell_id', p_cell_id, 'epoch', p_epoch));
  end if;
end
$$;
alter function core.establish_cell(text, integer) owner to symphony_core_owner;
revoke all on function core.establish_cell(text, integer) from public;
comment on function core.establish_cell(text, integer) is
$$Names this database's cell, or raises its epoch after a participant move.
Callers: symphony_policy_admin. Writes: core.cell. Locks: core.cell EXCLUSIVE. Raises: SC001 when the id differs or the epoch does not grow; 23502, 23514 for a malformed id or epoch. Idempotent: yes.$$;
