"""Trust: what a request must prove before anything of it is believed. No database, no HTTP server, no global state.

One room, read in this order: `refusal` (every reason), `compact_jws` and `keys`, `access_token`, `sender_constraint`
with `dpop` and `client_certificate`, `http_signature` with `content_digest`, `jwks` (the only one that does I/O).
"""
