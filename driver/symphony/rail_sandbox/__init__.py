"""The sandbox rail: a separate HTTP process with a durable ledger of its own, and faults on request."""
