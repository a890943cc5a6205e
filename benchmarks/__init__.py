"""Measured against references in the same run, on the same machine, with the same data."""
