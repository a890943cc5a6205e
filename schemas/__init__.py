"""The contract: what travels between the stages, and what is stored. Pure values, no I/O."""
