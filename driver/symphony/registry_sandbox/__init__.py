"""The sandbox registry: a separate HTTP process that knows who stands behind aliases, and fails on request."""
