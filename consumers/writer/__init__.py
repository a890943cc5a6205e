"""Makes Salesforce hold what the documents show: level-triggered, numbered and stored before every call."""
