create or replace function ingress.register_client(p_client_id text, p_participant_id text, p_operator text, p_reason text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_known text;
begin
  insert into ingress.clients (client_id, participant_id, registered_by, reason, registered_at, commitment)
  values (p_client_id, p_participant_id, p_operator, p_reason, v_now, core.commitment(array['ingress.clients', p_client_id, p_participant_id,
    p_operator, p_reason, core.epoch_us(v_now)]))
  on conflict do nothing;
  if found then
    perform ingress.bump_registry();
    return true;
  end if;
  select c.participant_id into v_known from ingress.clients as c where c.client_id = p_client_id;
  if v_known is distinct from p_participant_id then
    perform core.raise_error('SC501', jsonb_build_object('client_id', p_client_id));
  end if;
  return false;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.register_client(text, text, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.register_client(text, text, text, text) from public;
comment on function ingress.register_client(text, text, text, text) is
$$Registers a client of a participant, for ever; true when it is new. Whether the participant may send is policy, not this.
Callers: symphony_operator. Writes: clients, registry_state. Locks: the row of registry_state. Raises: SV502, SC501 the client is another participant's. Idempotent: yes.$$;
