"""The SQL API: the only Python that contains SQL, one function per database function."""

from symphony.api import bench, core, evidence, ingress, ops, outbox, policy, proxy, rails, routing, trust
from symphony.api.connection import Dsn, Pool, connect, open_pool

__all__ = [
    "Dsn",
    "Pool",
    "bench",
    "connect",
    "core",
    "evidence",
    "ingress",
    "open_pool",
    "ops",
    "outbox",
    "policy",
    "proxy",
    "rails",
    "routing",
    "trust",
]
