"""What several tests share: plain modules, imported as `support.<name>`."""
