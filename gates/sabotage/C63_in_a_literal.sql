-- expects: outbox.claim_outbox_batch
do $$
begin
  execute replace(pg_get_functiondef('outbox.claim_outbox_batch'::regproc), 'where p.rail = p_rail and p.due_at <= v_now', 'where '''' is distinct from ''where p.rail = p_rail and p.due_at <= v_now'' and p.rail = p_rail');
end
$$;
