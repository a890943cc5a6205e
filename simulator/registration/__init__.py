"""A hackathon's registration site, as the platform's people would write it: one page, and a server behind it."""
