"""Salesforce's change events become records of `salesforce.changes`."""
