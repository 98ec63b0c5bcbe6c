create or replace function core.list_reasons() returns setof core.reasons
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
rows 50
as $$
begin
  return query select r.* from core.reasons as r;
end
$$;
alter function core.list_reasons() owner to symphony_core_owner;
revoke all on function core.list_reasons() from public;
comment on function core.list_reasons() is
$$The register of reason codes.
Callers: ingress.attest, ingress.record_refusal_counts. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
