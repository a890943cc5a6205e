"""A pretend Salesforce org: OAuth, REST, SOQL, change events, triggers, limits and faults. See README.md."""
