"""Rails: what the worker may ask of a payment rail, and the client adapters that ask it."""
