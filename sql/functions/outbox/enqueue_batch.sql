create or replace function outbox.enqueue_batch(p_policy_version integer, p_limit_day date, p_intents outbox.intent[])
returns setof outbox.recorded
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select e.* from outbox.enqueue_answered(p_policy_version => p_policy_version, p_limit_day => p_limit_day, p_intents => p_intents, p_answers => null) as e;
end
$$;
alter function outbox.enqueue_batch(integer, date, outbox.intent[]) owner to symphony_outbox_owner;
revoke all on function outbox.enqueue_batch(integer, date, outbox.intent[]) from public;
comment on function outbox.enqueue_batch(integer, date, outbox.intent[]) is
$$outbox.enqueue_answered where no registry has been asked.
Callers: outbox.enqueue_payment_outbox, the previous release's ingress.decide. Writes: as outbox.enqueue_answered. Locks: as outbox.enqueue_answered. Raises: as outbox.enqueue_answered. Idempotent: no.$$;
