create or replace function proxy.wait_before_next(p_tries integer) returns interval
language sql volatile parallel safe
return interval '1 second' * least(60, power(2, least(p_tries, 6))) * (0.5 + random() / 2);
alter function proxy.wait_before_next(integer) owner to symphony_proxy_owner;
revoke all on function proxy.wait_before_next(integer) from public;
comment on function proxy.wait_before_next(integer) is
$$How long an alias waits that got no answer: 1 s, doubled each time to 60 s, of which half at random.
Callers: proxy.record_proxy_resolutions. Writes: nothing. Locks: none. Raises: nothing. Idempotent: no (random).$$;
