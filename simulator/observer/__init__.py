"""A judge of what the sync did: it reads the platform's own journal, the org's own commit log, and MongoDB."""
