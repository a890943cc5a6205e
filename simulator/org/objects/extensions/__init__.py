"""What a feature that an org may have switched on adds to its objects."""
