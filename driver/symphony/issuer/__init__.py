"""A token issuer for development and tests: real tokens, real mutual TLS, keys that live as long as the process."""
