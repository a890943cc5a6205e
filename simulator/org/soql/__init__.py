"""SOQL: parsed, checked against the org's objects, and compiled to SQLite's SQL."""
