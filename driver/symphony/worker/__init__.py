"""The worker: claims due instructions, calls rails, records what they answered."""
