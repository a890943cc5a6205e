"""A pretend ticket platform: it invents customers, edits them, posts signed webhooks and keeps a log of its own."""
