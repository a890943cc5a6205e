"""A real Apache Kafka and a real mongod on this machine, with no container engine."""
