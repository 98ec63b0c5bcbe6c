# The sealer: its own secrets and login; signs evidence, never sees the keys.
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
path "kv/data/sealer/*" {
  capabilities = ["read"]
}
path "database/creds/symphony_sealer" {
  capabilities = ["read"]
}
path "sys/leases/renew/database/creds/symphony_sealer/*" {
  capabilities = ["update"]
}
path "transit/sign/evidence-ed25519" {
  capabilities = ["update"]
}
path "transit/keys/evidence-ed25519" {
  capabilities = ["read"]
}
path "transit/sign/evidence-p256" {
  capabilities = ["update"]
}
path "transit/sign/evidence-p256/sha2-256" {
  capabilities = ["update"]
}
path "transit/keys/evidence-p256" {
  capabilities = ["read"]
}
