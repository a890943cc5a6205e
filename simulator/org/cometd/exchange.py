"""One request as the conversation sees it, and what becomes of it."""

from dataclasses import dataclass, field

import orjson

from simulator.org.cometd.frames import Message


class ConnectionCut(Exception):
    """The session went down with its connection: nothing may be answered."""


class ConnectSuperseded(Exception):
    """The client sent another connect while this one was held."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's own: the version in its address (empty without one), its access token and its browser cookie."""

    version: str
    token: str | None = field(repr=False)
    browser_id: str | None


@dataclass(slots=True)
class Answer:
    """Events and replies as JSON, and the browser cookie to set, if any."""

    events: list[bytes] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)
    set_browser_id: str | None = None

    def body(self) -> bytes:
        """One JSON array, the events first, as the CometD server writes them."""
        return b"[%b]" % b",".join([*self.events, *map(orjson.dumps, self.replies)])
