"""What an operator asks for on the admin page and what takes longer than a page: planned, begun, watched, paused."""
