"""Clients of the proxy registries: who stands behind an alias."""
