"""What a mapping needs in an org, as metadata that an admin can deploy."""
