"""The platform's own URL: signed webhooks out, never to an address inside."""
