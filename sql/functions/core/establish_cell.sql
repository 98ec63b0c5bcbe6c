create or replace function core.establish_cell(p_cell_id text, p_epoch integer) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
begin
  insert into core.cell as c (cell_id, epoch, established_at) values (p_cell_id, p_epoch, v_now)
  on conflict (singleton) do update set epoch = excluded.epoch, established_at = excluded.established_at
  where c.cell_id = excluded.cell_id and c.epoch < excluded.epoch;
  if not found and not exists (select from core.cell as c where c.cell_id = p_cell_id and c.epoch = p_epoch) then
    perform core.raise_error('SC001', jsonb_build_object('cell_id', p_cell_id, 'epoch', p_epoch));
  end if;
end
$$;
alter function core.establish_cell(text, integer) owner to symphony_core_owner;
revoke all on function core.establish_cell(text, integer) from public;
comment on function core.establish_cell(text, integer) is
$$Names this database's cell, or raises its epoch after a participant move.
Callers: symphony_policy_admin. Writes: core.cell. Locks: its row. Raises: SC001 when the id differs or the epoch does not grow. Idempotent: yes.$$;
