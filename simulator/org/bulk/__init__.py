"""Bulk API 2.0: jobs that take rows in as CSV, and jobs that give a query's rows out as CSV."""
