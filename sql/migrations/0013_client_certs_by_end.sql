-- runner: nontransactional
-- What is not over: ingress.list_client_certs, ingress.get_registry_state. The end stands first, so that one index serves every CA and all of them.
create index concurrently ix_client_certs_end on ingress.client_certs (not_after, issuer_sha256);
