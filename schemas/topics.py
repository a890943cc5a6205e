"""Kafka topics and the keys their records are partitioned by."""

PLATFORM_EVENTS = "platform.events"
SALESFORCE_CHANGES = "salesforce.changes"
SALESFORCE_WRITES = "salesforce.writes"

ALL = (PLATFORM_EVENTS, SALESFORCE_CHANGES, SALESFORCE_WRITES)


def document_key(kind: str, document_id: str) -> bytes:
    """The key of a platform event, and of a doorbell for a document that is not linked yet."""
    return f"{kind}:{document_id}".encode()


def record_key(record_id: str) -> bytes:
    """The key of a Salesforce change, and of a doorbell for a linked document: the 18-character record id."""
    return record_id.encode()
