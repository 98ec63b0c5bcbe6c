create or replace function ingress.bump_registry() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_version bigint;
begin
  update ingress.registry_state as s set version = s.version + 1, changed_at = v_now returning s.version into v_version;
  perform pg_notify('symphony_trust', v_version::text);
  return v_version;
end
$$;
alter function ingress.bump_registry() owner to symphony_ingress_owner;
revoke all on function ingress.bump_registry() from public;
comment on function ingress.bump_registry() is
$$Tells caches that the registry changed: its version grows and NOTIFY symphony_trust hints at it. A lost hint costs one poll.
Callers: ingress.register_client, ingress.register_client_cert, ingress.register_signature_key, ingress.revoke_client_cert, ingress.retire_signature_key, ingress.publish_proof_rule, ingress.record_revocation_list, ingress.end_revocation_source. Writes: registry_state. Locks: its row, to the end of the transaction. Raises: nothing. Idempotent: no.$$;
