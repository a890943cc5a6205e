"""What Salesforce changed, told to the platform's own URL: kept first, then posted until it is taken."""
