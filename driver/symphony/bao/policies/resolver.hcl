# The proxy resolver: its own secrets and login; hashes alias values, never sees the key.
# Its own token: look, renew, give back (which ends its leases too).
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "kv/data/resolver/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_resolver" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_resolver/*" {
  capabilities = ["update"]
}
path "transit/hmac/proxy-hash/sha2-256" {
  capabilities = ["update"]
}
# Which versions of the key there are; the key itself is in no answer.
path "transit/keys/proxy-hash" {
  capabilities = ["read"]
}
