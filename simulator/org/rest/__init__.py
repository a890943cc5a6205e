"""The REST API: what each resource answers."""
