-- expects: outbox.claim_outbox_batch
do $$
begin
  execute replace(pg_get_functiondef('outbox.claim_outbox_batch'::regproc), 'p.due_at <= v_now and', '');
end
$$;
