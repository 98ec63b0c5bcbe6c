# An operator at the command line: a login of the operator's capability, and nothing else.
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
path "database/creds/symphony_operator" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_operator/*" {
  capabilities = ["update"]
}
