"""The demonstration: the whole system on one machine for half a minute, judged by the rail's own ledger."""
