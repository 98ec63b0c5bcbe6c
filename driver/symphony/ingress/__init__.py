"""The ingress: HTTP in, micro-batches to the database, an answer only after the commit."""
