"""Broken inputs for every edge, by a seed: what others sent once, bent in its bytes and in its sense."""
