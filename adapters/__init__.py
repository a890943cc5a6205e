"""One folder per outside system: the only place its client library is imported."""
