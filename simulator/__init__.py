"""A pretend org, a pretend platform, and real Kafka and MongoDB started locally. A witness: it knows `schemas` only."""
