"""The Bayeux protocol with Salesforce's replay extension: requests built, replies read. No I/O.

Sources: the Bayeux specification 1.0 (message fields, advice); Salesforce's Streaming API guide (replay extension,
error strings, `ext.sfdc.failureReason`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import orjson

from schemas.stream import ReplayId

HANDSHAKE: Final = "/meta/handshake"
CONNECT: Final = "/meta/connect"
SUBSCRIBE: Final = "/meta/subscribe"
DISCONNECT: Final = "/meta/disconnect"

Message = dict[str, Any]

_ERROR = re.compile(r"\s*(\d{3}):([^:]*):(.*)", re.DOTALL)
_NO_DELIVERIES: Final = "total events daily limit"
"""Of `403::Organization total events daily limit exceeded`: its code alone would not tell."""
_LONGEST_HOLD_MS: Final = 600_000
_LONGEST_INTERVAL_MS: Final = 60_000


class BadReply(ValueError):
    """The body is not a Bayeux reply; the message never quotes it."""


class Ending(StrEnum):
    """Why a session is over, by what to do next."""

    LOST = "lost_reply"
    """A reply may have been lost: the server may have emptied its queue into it."""
    LOGIN = "login_refused"
    UNKNOWN = "unknown_client"
    """The server has forgotten the session, or advises a new handshake."""
    SENT_AWAY = "server_disconnect"
    BUSY = "over_limits"
    DELIVERIES = "deliveries_used_up"
    """The org's event deliveries of 24 hours are used up, for all its subscribers."""
    REFUSED = "refused"
    """Anything else the server says no to."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What the server last advised. `interval` and `timeout` are milliseconds; 110 s is Salesforce's own hold."""

    reconnect: str = "retry"
    interval: int = 0
    timeout: int = 110_000

    def merged(self, raw: object) -> "Advice":
        """With the members that `raw` holds; the others stay. A value out of all reason is brought within it."""
        if not isinstance(raw, dict):
            return self
        advice = self
        if (reconnect := str(raw.get("reconnect"))) in {"retry", "handshake", "none"}:
            advice = replace(advice, reconnect=reconnect)
        if _is_count(raw.get("interval")):
            advice = replace(advice, interval=min(int(raw["interval"]), _LONGEST_INTERVAL_MS))
        if _is_count(raw.get("timeout")) and raw["timeout"] >= 1:
            # 0 only echoes what the first connect asked for.
            advice = replace(advice, timeout=min(int(raw["timeout"]), _LONGEST_HOLD_MS))
        return advice


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error string `CODE::text` or `CODE:arguments:text`; `code` is 0 where there is none."""

    code: int
    arguments: str
    text: str

    def __str__(self) -> str:
        return f"{self.code:03}:{self.arguments}:{self.text}"


@dataclass(frozen=True, slots=True)
class MetaReply:
    """The server's answer to one request, or its own `/meta/disconnect` (`id` is None then)."""

    channel: str
    id: str | None
    successful: bool
    client_id: str | None
    error: Refusal | None
    failure_reason: Refusal | None
    replays: bool
    """`ext.replay`: the server knows the replay extension."""
    advice: object

    @property
    def why(self) -> str:
        """The error and its reason, for a log line."""
        return " / ".join(str(part) for part in (self.error, self.failure_reason) if part) or "no reason given"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event: its channel, its replay id where it has one, and its data as they came."""

    channel: str
    replay_id: ReplayId | None
    data: Any
    size: int = 0
    """Its share of the bytes of its reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: the meta messages and the events, each in the order of arrival."""

    meta: tuple[MetaReply, ...]
    deliveries: tuple[Delivery, ...]

    def to(self, request_id: str) -> MetaReply:
        """The answer to one request.

        Raises:
            BadReply: it is not there.
        """
        for reply in self.meta:
            if reply.id == request_id:
                return reply
        raise BadReply("a request was not answered")


def handshake(request_id: str) -> Message:
    """Ask for a session, with replay."""
    return {
        "channel": HANDSHAKE,
        "id": request_id,
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": ["long-polling"],
        "ext": {"replay": True},
    }


def connect(request_id: str, client_id: str, *, at_once: bool = False) -> Message:
    """Ask for events; the server holds it for `advice.timeout`. `at_once` asks it not to, as the first one does."""
    message = {"channel": CONNECT, "id": request_id, "clientId": client_id, "connectionType": "long-polling"}
    return message | {"advice": {"timeout": 0}} if at_once else message


def subscribe(request_id: str, client_id: str, channel: str, after: ReplayId) -> Message:
    """Ask for a channel's events after a replay id, or from -2."""
    return {
        "channel": SUBSCRIBE,
        "id": request_id,
        "clientId": client_id,
        "subscription": channel,
        "ext": {"replay": {channel: after}},
    }


def disconnect(request_id: str, client_id: str) -> Message:
    """End the session."""
    return {"channel": DISCONNECT, "id": request_id, "clientId": client_id}


def read_error(raw: object) -> Refusal | None:
    """An error string taken apart; nothing where there is none."""
    if not isinstance(raw, str) or not raw:
        return None
    match = _ERROR.match(raw)
    return Refusal(int(match[1]), match[2], match[3]) if match else Refusal(0, "", raw)


def read_reply(body: bytes) -> Reply:
    """A reply's messages.

    Raises:
        BadReply: not JSON, or not an array of messages.
    """
    meta: list[MetaReply] = []
    events: list[tuple[str, Any]] = []
    for message in _messages(body):
        channel = message.get("channel") if isinstance(message, dict) else None
        if not isinstance(channel, str):
            raise BadReply("a message without a channel")
        if channel.startswith("/meta/"):
            meta.append(_meta(channel, message))
        elif "data" in message or "successful" not in message:
            # Without data it would be the answer to a publish, which nobody here sends.
            events.append((channel, message.get("data")))
    share = len(body) // max(1, len(events))
    return Reply(tuple(meta), tuple(Delivery(channel, _replay_id(data), data, share) for channel, data in events))


def asks_for_login(reply: MetaReply) -> bool:
    """True for a 401 in `error`, or in the reason of a denied handshake, and for nothing else."""
    if reply.error and reply.error.code == 401:
        return True
    return reply.channel == HANDSHAKE and reply.failure_reason is not None and reply.failure_reason.code == 401


def is_position_refused(error: Refusal) -> bool:
    """True for `400::The replayId {N} you provided was invalid …`; other 400s speak of the channel or the request."""
    return error.code == 400 and "replayid" in error.text.lower().replace(" ", "")


def ends_session(reply: MetaReply) -> bool:
    """True where a refused subscription speaks of the session or the server, not of its channel."""
    unknown = any("unknown client" in part.text.lower() for part in _said(reply))
    return asks_for_login(reply) or unknown or any(part.code == 503 for part in _said(reply))


def ending_of(reply: MetaReply, advice: Advice) -> Ending:
    """Why an unsuccessful answer ends the session."""
    if asks_for_login(reply):
        return Ending.LOGIN
    said = _said(reply)
    if any(_NO_DELIVERIES in part.text.lower() for part in said):
        return Ending.DELIVERIES
    if any(part.code == 503 or "limit" in part.text.lower() for part in said):
        return Ending.BUSY
    if advice.reconnect == "handshake" or any("unknown client" in part.text.lower() for part in said):
        return Ending.UNKNOWN
    return Ending.REFUSED


def _said(reply: MetaReply) -> list[Refusal]:
    return [part for part in (reply.error, reply.failure_reason) if part]


def _messages(body: bytes) -> list[Any]:
    try:
        messages = orjson.loads(body)
    except orjson.JSONDecodeError:
        messages = _messages_by_the_letter(body)
    if not isinstance(messages, list):
        raise BadReply("not an array of messages")
    return messages


def _messages_by_the_letter(body: bytes) -> object:
    """JSON allows an escaped lone surrogate, which orjson refuses: one such text must not block the stream."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadReply("not JSON") from None


def _meta(channel: str, message: Mapping[str, Any]) -> MetaReply:
    ext = message.get("ext")
    ext = ext if isinstance(ext, dict) else {}
    sfdc = ext.get("sfdc")
    client_id = message.get("clientId")
    request_id = message.get("id")
    return MetaReply(
        channel=channel,
        id=None if request_id is None else str(request_id),
        successful=message.get("successful") is True,
        client_id=client_id if isinstance(client_id, str) else None,
        error=read_error(message.get("error")),
        failure_reason=read_error(sfdc.get("failureReason")) if isinstance(sfdc, dict) else None,
        replays=ext.get("replay") is True,
        advice=message.get("advice"),
    )


def _replay_id(data: object) -> ReplayId | None:
    event = data.get("event") if isinstance(data, dict) else None
    replay_id = event.get("replayId") if isinstance(event, dict) else None
    if isinstance(replay_id, str) and replay_id.isascii():
        return replay_id
    return replay_id if isinstance(replay_id, int) and not isinstance(replay_id, bool) else None


def _is_count(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
