create or replace function ingress.find_accepted(p_participant_id text, p_attestation_id uuid, p_instruction_id text) returns uuid
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return (
    select a.outbox_id from ingress.ingress_attestations as a
    where a.participant_id = p_participant_id and a.attestation_id = p_attestation_id and a.decision = 'ACCEPT'
      and a.instruction_id = p_instruction_id);
end
$$;
alter function ingress.find_accepted(text, uuid, text) owner to symphony_ingress_owner;
revoke all on function ingress.find_accepted(text, uuid, text) from public;
comment on function ingress.find_accepted(text, uuid, text) is
$$The outbox id that an ACCEPT attestation of this very instruction names, or null.
Callers: outbox.enqueue_payment_outbox. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
