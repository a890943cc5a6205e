"""Channel names and the sObjects whose changes each carries. Pure."""

from simulator.org.cometd import frames
from simulator.org.cometd.settings import CometdSettings

ALL_CHANGES = "/data/ChangeEvents"
_FAMILIES = ("/data/", "/event/", "/topic/", "/u/", "/systemTopic/")
_RESTRICTED = ("/meta/", "/service/")


def change_channel(entity: str) -> str:
    """The channel of one sObject: `/data/ContactChangeEvent`, `/data/Seat__ChangeEvent` for `Seat__c`."""
    stem = entity.removesuffix("c") if entity.endswith("__c") else entity
    return f"/data/{stem}ChangeEvent"


class UnknownChannel(Exception):
    """The channel may not be subscribed to; the argument is the error text for the reply."""


class Channels:
    """The channels of one org."""

    def __init__(self, settings: CometdSettings) -> None:
        self._entities: dict[str, frozenset[str]] = {
            change_channel(name): frozenset({name}) for name in settings.entities
        }
        self._entities[ALL_CHANGES] = frozenset(settings.entities)
        for name, members in settings.custom_channels.items():
            self._entities[f"/data/{name}"] = frozenset(members)

    def entities(self, channel: object) -> frozenset[str]:
        """The sObjects carried by `channel`; names are case-sensitive.

        Raises:
            UnknownChannel: no such channel, or none that may be subscribed to.
        """
        if not isinstance(channel, str) or not channel:
            raise UnknownChannel(frames.NO_CHANNEL_NAME)
        if not channel.startswith("/"):
            raise UnknownChannel(frames.NO_LEADING_SLASH)
        if channel in self._entities:
            return self._entities[channel]
        if channel.startswith(_RESTRICTED) or "*" in channel:
            raise UnknownChannel(frames.RESTRICTED_CHANNEL)
        if channel.startswith(_FAMILIES):
            raise UnknownChannel(frames.no_such_channel(channel))
        raise UnknownChannel(frames.CREATE_DENIED)
