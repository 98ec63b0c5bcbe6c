# The executor: its own secrets and its own login.
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
path "kv/data/worker/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_executor" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_executor/*" {
  capabilities = ["update"]
}
