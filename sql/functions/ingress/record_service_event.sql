create or replace function ingress.record_service_event(p_kind text, p_facts jsonb) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_kind is null or p_kind not in ('INGRESS_STARTED', 'INGRESS_STOPPED') or jsonb_typeof(p_facts) is distinct from 'object'
    or length(p_facts::text) > 4096 then
    perform core.raise_error('SV502', jsonb_build_object('kind', p_kind));
  end if;
  return evidence.record_event(p_kind => p_kind, p_actor => session_user::text, p_facts => p_facts);
end
$$;
alter function ingress.record_service_event(text, jsonb) owner to symphony_ingress_owner;
revoke all on function ingress.record_service_event(text, jsonb) from public;
comment on function ingress.record_service_event(text, jsonb) is
$$Records that an ingress started or stopped, with the hash of its configuration (PCI DSS 10.2.1.6).
Callers: symphony_ingest. Writes: evidence_events. Locks: none. Raises: SV502. Idempotent: no.$$;
