"""The weekly report: what was done, how it went against the week before, what failed most."""
