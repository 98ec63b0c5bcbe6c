create or replace function ingress.is_public_jwk(p_alg text, p_jwk text) returns boolean
language sql immutable parallel safe
return case
  when p_alg = 'hmac-sha256' then p_jwk is null
  when p_jwk is not json object with unique keys then false
  when p_alg = 'ed25519' then (p_jwk::jsonb ->> 'x') ~ '^[A-Za-z0-9_-]{43}$'
    and p_jwk::jsonb = jsonb_build_object('kty', 'OKP', 'crv', 'Ed25519', 'x', p_jwk::jsonb -> 'x')
  when p_alg = 'ecdsa-p256-sha256' then (p_jwk::jsonb ->> 'x') ~ '^[A-Za-z0-9_-]{43}$' and (p_jwk::jsonb ->> 'y') ~ '^[A-Za-z0-9_-]{43}$'
    and p_jwk::jsonb = jsonb_build_object('kty', 'EC', 'crv', 'P-256', 'x', p_jwk::jsonb -> 'x', 'y', p_jwk::jsonb -> 'y')
end;
alter function ingress.is_public_jwk(text, text) owner to symphony_ingress_owner;
revoke all on function ingress.is_public_jwk(text, text) from public;
comment on function ingress.is_public_jwk(text, text) is
$$Whether a JWK is the public key of its algorithm and nothing else (RFC 7518 6.2.1, RFC 8037 2): a member more could be the private key. Null for an unknown algorithm.
Callers: ingress.register_signature_key. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
