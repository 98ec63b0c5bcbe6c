# Beside the policy ingress, only where the ingress asks an alias registry itself (bootstrap --ingress-aliases):
# hashes alias values, never sees the key.
path "transit/hmac/proxy-hash/sha2-256" {
  capabilities = ["update"]
}
# Which versions of the key there are; the key itself is in no answer.
path "transit/keys/proxy-hash" {
  capabilities = ["read"]
}
