create or replace function outbox.admit_resolutions(
  p_worker text, p_recorded proxy.recorded_resolution[], p_reasons text[], p_beneficiaries text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
begin
  with admitted as materialized (
    select r.participant_id, r.outbox_id, i.sequence_id, r.resolution_id, r.expires_at, r.beneficiary_participant_id, r.beneficiary, p.place
    from unnest(p_recorded, p_reasons, p_beneficiaries) as r(participant_id, outbox_id, lease_token, outcome, reason_code, resolution_id, expires_at,
      beneficiary_participant_id, observed_at, source, source_version, response_sha256, refused, beneficiary)
    cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say of a queue that was empty a moment ago
      select i.sequence_id from outbox.payment_instructions as i
      where i.participant_id = r.participant_id and i.outbox_id = r.outbox_id offset 0) as i
    cross join lateral (
      select p.ctid as place from outbox.payment_outbox_pending as p
      where p.participant_id = r.participant_id and p.sequence_id = i.sequence_id offset 0) as p
    where r.outcome = 'ADMIT' and r.refused is null
  ), due as (
    update outbox.payment_outbox_pending as p
    set due_at = greatest(p.created_at, v_now), resolution_id = d.resolution_id, resolved_until = d.expires_at, creditor_participant_id = d.beneficiary_participant_id
    from admitted as d
    where p.ctid = d.place and p.participant_id = d.participant_id and p.sequence_id = d.sequence_id and p.due_at = 'infinity' and p.next_action = 'DISPATCH'
  )
  update outbox.instruction_parties as y
  set beneficiary = d.beneficiary
  from admitted as d
  where y.participant_id = d.participant_id and y.outbox_id = d.outbox_id and y.erased_at is null;
  perform outbox.void_unresolved(p_worker => p_worker, p_outcomes => array(
    select row(r.participant_id, r.outbox_id, r.lease_token, 'VOIDED', r.refused, null, null, null,
      jsonb_build_object('resolution_id', r.resolution_id, 'source', r.source))::outbox.outcome
    from unnest(p_recorded, p_reasons) as r(participant_id, outbox_id, lease_token, outcome, reason_code, resolution_id, expires_at,
      beneficiary_participant_id, observed_at, source, source_version, response_sha256, refused)
    where r.outcome = 'REFUSE' or (r.outcome = 'ADMIT' and r.refused is not null)));
end
$$;
alter function outbox.admit_resolutions(text, proxy.recorded_resolution[], text[], text[]) owner to symphony_outbox_owner;
revoke all on function outbox.admit_resolutions(text, proxy.recorded_resolution[], text[], text[]) from public;
comment on function outbox.admit_resolutions(text, proxy.recorded_resolution[], text[], text[]) is
$$What recorded answers entail: RESOLVED without a reason against it makes the instruction due and keeps the beneficiary beside the parties; a final no, and a reason against it, void it.
Callers: outbox.record_resolutions. Writes: payment_outbox_pending, instruction_parties; as outbox.void_unresolved. Locks: pending rows; usage rows. Raises: nothing. Idempotent: yes: what is not waiting is left alone.$$;
