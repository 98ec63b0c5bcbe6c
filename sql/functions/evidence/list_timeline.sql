create or replace function evidence.list_timeline(p_participant_id text, p_instruction_id text)
returns table (outbox_id uuid, entries jsonb)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  -- The steps stand; who of ours took them is not the participant's business.
  return query
  select t.outbox_id, jsonb_agg(jsonb_build_object('happened_at', t.happened_at, 'step_no', t.step_no, 'kind', t.kind, 'state', t.state,
    'attempt_no', t.attempt_no, 'facts', t.facts - array['actor', 'maker', 'checker', 'claimed_by', 'lease_token', 'db_role', 'resolved_by'])
    order by t.happened_at, t.step_no)
  from evidence.instruction_timeline as t
  where t.participant_id = p_participant_id and t.instruction_id = p_instruction_id
  group by t.outbox_id;
end
$$;
alter function evidence.list_timeline(text, text) owner to symphony_evidence_owner;
revoke all on function evidence.list_timeline(text, text) from public;
comment on function evidence.list_timeline(text, text) is
$$The timeline of one instruction as its participant may see it: without names of operators and workers. No row for an unknown one.
Callers: ingress.read_evidence. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
