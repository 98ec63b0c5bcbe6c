# The HTTP ingress: its own secrets, a login per class of request, the certificate of its own listener.
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
path "kv/data/ingress/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_ingest" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_ingest/*" {
  capabilities = ["update"]
}
path "database/creds/symphony_status_reader" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_status_reader/*" {
  capabilities = ["update"]
}
path "database/creds/symphony_evidence_reader" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_evidence_reader/*" {
  capabilities = ["update"]
}
path "pki-servers/sign/ingress" {
  capabilities = ["update"]
}
