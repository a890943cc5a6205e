"""Forgetting people: everywhere, twice over, and with a certificate."""
