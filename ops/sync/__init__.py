"""Runs over whole objects: first loads, comparisons, refreshes. Asked for, planned, paced, resumable."""
