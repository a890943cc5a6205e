"""Campaigns: which event is which, the statuses that their members may have, and what came of each."""
