"""Signed webhooks become records of `platform.events`."""
