"""Kafka topics and the keys their records are partitioned by."""

PLATFORM_EVENTS = "platform.events"
SALESFORCE_CHANGES = "salesforce.changes"
SALESFORCE_WRITES = "salesforce.writes"

PLATFORM_CHANGES = "platform.changes"
"""What Salesforce has changed, told to the platform and to whoever else listens; keyed as platform events are."""

COMMANDS = "tandem.commands"
"""What ops and the platform ask of Tandem itself: requests for runs, keyed by their id."""

ENRICHMENT_REQUESTS = "enrichment.requests"
"""People whom Salesforce is to be asked about when nobody waits: doorbells, keyed as those of documents are."""

ALL = (PLATFORM_EVENTS, SALESFORCE_CHANGES, SALESFORCE_WRITES)
"""Facts and doorbells: what the stages pass on to each other."""

EVERY = (*ALL, PLATFORM_CHANGES, COMMANDS, ENRICHMENT_REQUESTS)


def document_key(kind: str, document_id: str) -> bytes:
    """The key of a platform event, and of a doorbell for a document that is not linked yet."""
    return f"{kind}:{document_id}".encode()


def record_key(record_id: str) -> bytes:
    """The key of a Salesforce change, and of a doorbell for a linked document: the 18-character record id."""
    return record_id.encode()
