create or replace function evidence.open_cases(p_cases evidence.new_case[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_opened integer;
begin
  insert into evidence.cases (participant_id, case_id, kind, outbox_id, facts, next_action, opened_at, commitment)
  select c.participant_id, c.case_id, c.kind, c.outbox_id, c.facts, c.next_action, v_now,
    core.commitment(array['evidence.cases', c.participant_id, c.case_id::text, c.kind, c.outbox_id::text,
      core.canonical_json(c.facts), c.next_action, core.epoch_us(v_now)])
  from (select n.*, uuidv7() as case_id from unnest(p_cases) as n) as c
  order by c.participant_id, c.outbox_id, c.kind
  on conflict do nothing;
  get diagnostics v_opened = row_count;
  return v_opened;
end
$$;
alter function evidence.open_cases(evidence.new_case[]) owner to symphony_evidence_owner;
revoke all on function evidence.open_cases(evidence.new_case[]) from public;
comment on function evidence.open_cases(evidence.new_case[]) is
$$Opens cases, at most one of a kind per instruction; returns how many are new.
Callers: outbox.follow_up, outbox.report_late_answers, evidence.open_case. Writes: cases. Locks: none beyond the rows, sorted. Raises: 23502, 23514 for an incomplete case, SV001. Idempotent: yes, per instruction and kind.$$;
