# Who enrols participants: signs requests for client certificates and revokes them. No secrets, no database.
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
path "pki-clients/sign/participant" {
  capabilities = ["update"]
}
path "pki-clients/revoke" {
  capabilities = ["update"]
}
