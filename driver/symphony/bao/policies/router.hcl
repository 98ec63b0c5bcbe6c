# The routing controller: its own secrets and its own login.
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
path "kv/data/router/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_router" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_router/*" {
  capabilities = ["update"]
}
