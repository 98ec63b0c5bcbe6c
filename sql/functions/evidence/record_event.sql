create or replace function evidence.record_event(
  p_kind text, p_actor text, p_facts jsonb, p_participant_id text default '-', p_outbox_id uuid default null) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_event_id uuid := uuidv7();
begin
  insert into evidence.evidence_events (participant_id, event_id, kind, outbox_id, actor, facts, recorded_at, commitment)
  values (p_participant_id, v_event_id, p_kind, p_outbox_id, p_actor, p_facts, v_now,
    core.commitment(array['evidence.evidence_events', p_participant_id, v_event_id::text, p_kind, p_outbox_id::text,
      p_actor, core.canonical_json(p_facts), core.epoch_us(v_now)]));
  return v_event_id;
end
$$;
alter function evidence.record_event(text, text, jsonb, text, uuid) owner to symphony_evidence_owner;
revoke all on function evidence.record_event(text, text, jsonb, text, uuid) from public;
comment on function evidence.record_event(text, text, jsonb, text, uuid) is
$$Records what no other ledger says: operator actions, policy changes, contradictions.
Callers: policy.activate, outbox.erase_parties, ops.record_drift, ingress.record_service_event, ingress.alias_reasons. Writes: evidence_events. Locks: none. Raises: 23514 for a malformed kind, 23502 for a missing fact, SV001. Idempotent: no.$$;
