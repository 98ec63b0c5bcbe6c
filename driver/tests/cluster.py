"""The PostgreSQL server of one test run, under the names the tests know it by."""

from symphony.postgres_throwaway import PGTAP, TEMPLATE, Cluster
from symphony.postgres_throwaway import throwaway_directory as test_directory

__all__ = ["PGTAP", "TEMPLATE", "Cluster", "test_directory"]
