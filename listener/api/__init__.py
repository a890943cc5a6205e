"""What the platform asks of Tandem over HTTP."""
