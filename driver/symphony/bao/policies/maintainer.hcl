# Maintenance: its own secrets and login; keeps the revocation lists fresh.
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
path "kv/data/maintainer/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_maintainer" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_maintainer/*" {
  capabilities = ["update"]
}
path "pki-clients/crl/rotate" {
  capabilities = ["read"]
}
path "pki-servers/crl/rotate" {
  capabilities = ["read"]
}
