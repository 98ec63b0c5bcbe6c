"""Rehearsals: failures that are brought about on purpose, on a live system, and judged by its evidence."""
