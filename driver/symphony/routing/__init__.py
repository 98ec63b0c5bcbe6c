"""Routing between two ingress colours: measured here, decided in the database, applied at HAProxy."""
