"""Closes gaps: what may have been missed is looked for, and told to the ordinary path."""
