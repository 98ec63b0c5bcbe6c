-- expects: outbox.extend_leases
-- The fence is gone, and its text stands in a comment.
do $$
begin
  execute regexp_replace(replace(pg_get_functiondef('outbox.extend_leases'::regproc), ' and f.lease_token = g.lease_token', ''), '\mbegin\M',
    'begin /* where f.participant_id = g.participant_id and f.outbox_id = g.outbox_id and f.claimed_by = p_worker and f.lease_token = g.lease_token and f.lease_expires_at > v_now returning */');
end
$$;
