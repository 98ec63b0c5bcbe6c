"""Tests of the driver, on real servers."""
