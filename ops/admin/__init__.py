"""The page that operators work with: its own port, its own application, rendered here."""
