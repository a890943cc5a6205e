"""Bayeux frames: what a client may send and the exact texts it is answered with. Pure.

Texts: the Streaming API guide's error list; `403:denied_by_security_policy:…` is the CometD server's own.
"""

from typing import Any

import orjson

HANDSHAKE = "/meta/handshake"
CONNECT = "/meta/connect"
SUBSCRIBE = "/meta/subscribe"
UNSUBSCRIBE = "/meta/unsubscribe"
DISCONNECT = "/meta/disconnect"
LONG_POLLING = "long-polling"
COOKIE = "BAYEUX_BROWSER"

AUTHENTICATION_INVALID = "401::Authentication invalid"
AUTHENTICATION_REQUIRED = "401::Request requires authentication"
UNKNOWN_CLIENT = "403::Unknown client"
HANDSHAKE_DENIED = "403::Handshake denied"
NO_HANDSHAKE = "403::Client has not completed handshake"
TOO_MANY_CLIENTS = "403::Organization concurrent user limit exceeded"
DELIVERIES_EXCEEDED = "403::Organization total events daily limit exceeded"
RESTRICTED_CHANNEL = "403::Restricted channel"
CREATE_DENIED = "403:denied_by_security_policy:create_denied"
PUBLISH_DENIED = "403:denied_by_security_policy:publish_denied"
UNKNOWN_CHANNEL = "404::Unknown channel"
NO_CHANNEL_NAME = "400::Channel name not specified"
NO_LEADING_SLASH = "400::Channel subscriptions must start with a leading '/'"
VERSION_MISSING = "400::API version in the URI is mandatory. URI format: '/cometd/66.0'"
WRONG_USER = "400::Authenticated user id does not match the session's user id"
SERVER_BUSY = "503::Server is too busy. Please try your request again later."

ADVICE_NONE: dict[str, Any] = {"reconnect": "none"}
ADVICE_HANDSHAKE: dict[str, Any] = {"interval": 0, "reconnect": "handshake"}

Message = dict[str, Any]


class NotBayeux(ValueError):
    """The body is not a JSON array of messages."""


def parse(body: bytes) -> list[Message]:
    """The messages of a request; one bare object is taken for an array of one.

    Raises:
        NotBayeux: not JSON, or not made of objects.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotBayeux(f"not JSON: position {error.pos}") from None
    messages = parsed if isinstance(parsed, list) else [parsed]
    if not messages or not all(isinstance(message, dict) for message in messages):
        raise NotBayeux("not an array of messages")
    return messages


def unsupported_version(minimum: float) -> str:
    """The text for a version in the address that is not served."""
    return (
        f"400::Unsupported API version. Only API versions '{minimum:.1f}' and later are supported."
        " URI format: '/cometd/66.0'"
    )


def version_error(version: str, *, minimum: float, maximum: float) -> str | None:
    """What is wrong with the version in the address (`66.0`, empty if there was none); nothing if it is served."""
    if not version:
        return VERSION_MISSING
    whole, point, part = version.partition(".")
    if not (whole.isdigit() and (not point or part.isdigit())):
        return unsupported_version(minimum)
    return None if minimum <= float(version) <= maximum else unsupported_version(minimum)


def invalid_replay_id(value: object) -> str:
    """The text for an expired or malformed replay id; the two spaces are Salesforce's."""
    return (
        f"400::The replayId {{{value}}} you provided was invalid.  Please provide a valid ID, -2 to replay all events,"
        " or -1 to replay only new events."
    )


def invalid_connection_type(name: object) -> str:
    """The text for any transport but long polling."""
    return f"400::Invalid connection type {name}"


def no_such_channel(channel: str) -> str:
    """The text for a channel of a known family that this org does not have."""
    return f"400::The channel you requested to subscribe to does not exist {channel}"


def no_cookie(client_id: str) -> str:
    """The text for a request of a session that came without its cookie."""
    return f"400::Client {client_id} has established a session, but no {COOKIE} cookie present"


def reply(message: Message, **members: Any) -> Message:
    """A reply to `message` on its channel, with its id where it had one; members that are None are left out."""
    frame: Message = {"channel": message.get("channel", "/meta/unknown")}
    if "id" in message:
        frame["id"] = message["id"]
    frame.update((name, value) for name, value in members.items() if value is not None)
    return frame


def success(message: Message, client_id: str, **members: Any) -> Message:
    """A successful reply of a session."""
    return reply(message, clientId=client_id, successful=True, **members)


def failure(message: Message, error: str, *, advice: Message | None = None, **members: Any) -> Message:
    """A failed reply: `error` is `code:arguments:text`."""
    return reply(message, successful=False, error=error, advice=advice, **members)


def handshake_success(message: Message, client_id: str) -> Message:
    """The reply that opens a session; `ext.replay` is how a client learns that replay is supported."""
    return success(
        message,
        client_id,
        version="1.0",
        minimumVersion="1.0",
        supportedConnectionTypes=[LONG_POLLING],
        ext={"replay": True, "payload.format": True},
    )


def handshake_denied(message: Message, reason: str) -> Message:
    """A refused handshake: the cause stands in `ext.sfdc.failureReason`."""
    return failure(
        message,
        HANDSHAKE_DENIED,
        advice=ADVICE_NONE,
        ext={"sfdc": {"failureReason": reason}, "replay": True, "payload.format": True},
    )


def unknown_client(message: Message) -> Message:
    """The reply to a request of a session that does not exist (any more)."""
    return failure(message, UNKNOWN_CLIENT, advice=ADVICE_HANDSHAKE)


def disconnect_by_server(client_id: str, advice: Message | None) -> Message:
    """A `/meta/disconnect` that nobody asked for, as sent since Streaming API 64.0 (apache/camel#25908)."""
    frame: Message = {"channel": DISCONNECT, "clientId": client_id, "successful": True}
    if advice is not None:
        frame["advice"] = advice
    return frame
