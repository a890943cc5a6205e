"""Secrets at rest: sealed with keys that are known by id."""
