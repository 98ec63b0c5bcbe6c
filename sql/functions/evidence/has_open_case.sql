create or replace function evidence.has_open_case(p_participant_id text, p_outbox_id uuid) returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from evidence.cases as c
    where c.participant_id = p_participant_id and c.outbox_id = p_outbox_id
      and not exists (select from evidence.case_decisions as d where d.participant_id = c.participant_id and d.case_id = c.case_id));
end
$$;
alter function evidence.has_open_case(text, uuid) owner to symphony_evidence_owner;
revoke all on function evidence.has_open_case(text, uuid) from public;
comment on function evidence.has_open_case(text, uuid) is
$$Whether an instruction has a case that nobody has decided.
Callers: outbox.erase_parties. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
