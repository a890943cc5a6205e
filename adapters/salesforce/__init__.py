"""Salesforce: the login, REST, and records many in a call."""
