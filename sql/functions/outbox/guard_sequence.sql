create or replace function outbox.guard_sequence() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    if new.participant_id = old.participant_id and new.last_sequence_id >= old.last_sequence_id then
      return new;
    end if;
  end if;
  perform core.raise_error('SX401', jsonb_build_object('operation', tg_op));
  return null;
end
$$;
alter function outbox.guard_sequence() owner to symphony_outbox_owner;
revoke all on function outbox.guard_sequence() from public;
comment on function outbox.guard_sequence() is
$$Trigger of participant_outbox_sequences: a sequence never moves back and never disappears.
Callers: trigger only. Writes: nothing. Locks: none. Raises: SX401. Idempotent: yes.$$;
create or replace trigger guard_sequence before update or delete on outbox.participant_outbox_sequences
for each row execute function outbox.guard_sequence();
alter table outbox.participant_outbox_sequences enable always trigger guard_sequence;
create or replace trigger refuse_truncate before truncate on outbox.participant_outbox_sequences
for each statement execute function core.refuse_change();
alter table outbox.participant_outbox_sequences enable always trigger refuse_truncate;
