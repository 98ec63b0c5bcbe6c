"""Symphony: an evidence-grade payment execution control plane on PostgreSQL."""

__version__ = "0.2.0"
