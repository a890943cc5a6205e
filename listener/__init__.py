"""What comes in: the platform's webhooks and Salesforce's change events. Each becomes a Kafka record."""
