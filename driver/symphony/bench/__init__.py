"""Measuring Symphony beside the machine's own limit, in one run."""
