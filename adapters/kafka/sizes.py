"""How large a record may be. The webhook's limit is 1 MiB of body; a change event of Salesforce's is at most 1 MB."""

MAX_RECORD_BYTES = 2 * 1024 * 1024
"""What the producer sends: room for such a body, its key and its headers."""
MAX_BATCH_BYTES = MAX_RECORD_BYTES + 64 * 1024
"""What our topics take (`max.message.bytes`): such a record and what Kafka puts around it."""
