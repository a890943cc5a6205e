"""`docs/asyncapi.json`: the topics as AsyncAPI 3.0, made from the models by which records are read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas import cloudevents, topics
from schemas.change import Change
from schemas.doorbell import Doorbell
from schemas.enrichment import EnrichmentRequest
from schemas.platform_event import PlatformEvent
from schemas.sync_run import RunCommand
from schemas.telling import Told as TellingBody

_REFERENCE: Final = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Told:
    """One topic, as whoever reads or writes it must know it."""

    model: type[BaseModel]
    about: str
    key: str
    written_by: str
    read_by: str
    from_outside: bool = False
    """Whether others than Tandem may write to it."""
    is_event: bool = True
    """Whether a record has CloudEvents' headers."""


TOPICS: Final[Mapping[str, Told]] = {
    topics.PLATFORM_EVENTS: Told(
        PlatformEvent,
        "What happened on the platform: facts in the past tense.",
        "`<kind>:<document id>`",
        "tandem webhook, tandem api",
        "tandem reconcile",
    ),
    topics.SALESFORCE_CHANGES: Told(
        Change,
        "What was committed in Salesforce, one record in one transaction.",
        "the record's id, 18 characters",
        "tandem subscribe, tandem repair, tandem schedule",
        "tandem reconcile",
    ),
    topics.SALESFORCE_WRITES: Told(
        Doorbell,
        "Look at this document again: a doorbell holds a key and no values.",
        "the record's id, or `<kind>:<document id>` before there is one",
        "tandem reconcile, tandem write",
        "tandem write",
        is_event=False,
    ),
    topics.PLATFORM_CHANGES: Told(
        TellingBody,
        "What Salesforce has changed of a document: the values that it shows now, since which revision, and why.",
        "`<kind>:<document id>`",
        "tandem reconcile, tandem write",
        "tandem deliver, and whoever listens",
    ),
    topics.COMMANDS: Told(
        RunCommand,
        "What operators and the platform ask of Tandem itself: runs over whole objects.",
        "the run's id",
        "anybody who may write to it",
        "tandem schedule",
        from_outside=True,
        is_event=False,
    ),
    topics.ENRICHMENT_REQUESTS: Told(
        EnrichmentRequest,
        "Ask Salesforce about this person when nobody waits for it: a doorbell.",
        "`<kind>:<document id>`",
        "tandem api",
        "tandem enrich",
        is_event=False,
    ),
}
"""Every topic. One that is added to `schemas.topics` belongs here too."""

HEADERS: Final[dict[str, str]] = {
    "ce_specversion": "CloudEvents' version, 1.0.",
    cloudevents.ID: "The event's id: the same for every delivery.",
    cloudevents.SOURCE: "Who says it, as /webhooks/tickets.",
    cloudevents.TYPE: "What happened, as customer.updated.",
    cloudevents.SUBJECT: "To what, as customer/cust-42.",
    cloudevents.TIME: "When, by the clock of whoever says it.",
    cloudevents.CONTENT_TYPE: "application/json.",
}
OURS: Final[dict[str, str]] = {
    cloudevents.DATA_SCHEMA: "The format of the value, as urn:tandem:change:1; 1 without it. A newer one is refused.",
}
"""Headers that records of an older release need not have."""


def page() -> str:
    """The document as it stands in the repository."""
    return json.dumps(document(), indent=2) + "\n"


def document() -> dict[str, Any]:
    """AsyncAPI 3.0."""
    models = list(dict.fromkeys(told.model for told in TOPICS.values()))
    references, whole = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tandem's topics",
            "version": "1",
            "description": "Records are JSON. Events are CloudEvents 1.0 in binary mode: attributes are headers.",
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic) for topic in TOPICS},
        "operations": {name: told for topic in TOPICS for name, told in _operations(topic).items()},
        "components": {
            "messages": {
                _name(topic): _message(topic, told, references[told.model, "validation"])
                for topic, told in TOPICS.items()
            },
            "schemas": whole.get("$defs", {}),
        },
    }


def _name(topic: str) -> str:
    first, *rest = topic.split(".")
    return first + "".join(word.capitalize() for word in rest)


def _channel(topic: str) -> dict[str, Any]:
    name = _name(topic)
    return {
        "address": topic,
        "description": TOPICS[topic].about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operations(topic: str) -> dict[str, Any]:
    """What Tandem does with a topic, as AsyncAPI 3 has it: `send` is written by it, `receive` is read."""
    name, told = _name(topic), TOPICS[topic]
    channel = {"$ref": f"#/channels/{name}"}
    made = {} if told.from_outside else {f"send-{name}": _operation("send", channel, told.written_by)}
    return made | {f"receive-{name}": _operation("receive", channel, told.read_by)}


def _operation(action: str, channel: dict[str, str], by: str) -> dict[str, Any]:
    return {"action": action, "channel": channel, "summary": f"By {by}."}


def _message(topic: str, told: Told, schema: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": topic,
        "summary": told.about,
        "contentType": "application/json",
        "payload": schema,
        "bindings": {"kafka": {"key": {"type": "string", "description": f"{told.key}."}, "bindingVersion": "0.5.0"}},
    }
    if told.is_event:
        properties = {name: {"type": "string", "description": about} for name, about in (HEADERS | OURS).items()}
        message["headers"] = {"type": "object", "required": list(HEADERS), "properties": properties}
    return message
