-- expects: outbox.extend_leases
do $$
begin
  execute regexp_replace(replace(pg_get_functiondef('outbox.extend_leases'::regproc), ' and f.lease_token = g.lease_token', ''), '\mbegin\M',
    'begin assert ''where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.lease_expires_at > v_now returning'' <> '''';');
end
$$;
