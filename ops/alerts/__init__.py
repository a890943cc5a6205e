"""Alerts: what is not well is told to people, once, together, and again when it is over."""
