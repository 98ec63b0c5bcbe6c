create or replace function ops.record_drift(p_fingerprint bytea, p_expected bytea, p_differences integer, p_actor text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return evidence.record_event(
    p_kind => case when p_fingerprint = p_expected then 'DRIFT_CHECKED' else 'DRIFT_FOUND' end,
    p_actor => nullif(p_actor, ''),
    -- A report that is incomplete or contradicts itself has no facts, which the ledger refuses.
    p_facts => case
      when octet_length(p_fingerprint) = 32 and octet_length(p_expected) = 32 and p_differences >= 0
        and (p_differences = 0) = (p_fingerprint = p_expected)
      then jsonb_build_object('fingerprint', encode(p_fingerprint, 'hex'), 'expected', encode(p_expected, 'hex'),
        'differences', p_differences) end);
end
$$;
alter function ops.record_drift(bytea, bytea, integer, text) owner to symphony_ops_owner;
revoke all on function ops.record_drift(bytea, bytea, integer, text) from public;
comment on function ops.record_drift(bytea, bytea, integer, text) is
$$Records that the schema was compared with its release: both fingerprints (SHA-256) and in how many lines they differ. Returns the event's id.
Callers: symphony_maintainer. Writes: evidence_events (kind DRIFT_CHECKED or DRIFT_FOUND) through its owner. Locks: none. Raises: 23502 for a report that is incomplete or contradicts itself, or without an actor. Idempotent: no.$$;
