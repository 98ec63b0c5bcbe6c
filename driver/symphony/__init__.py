"""Symphony: an evidence-grade payment execution control plane on PostgreSQL."""
