-- expects: outbox.claim_outbox_batch
do $$
begin
  execute replace(pg_get_functiondef('outbox.claim_outbox_batch'::regproc), 'for update skip locked', 'for update /* limit v_room.free for update skip locked ) */');
end
$$;
