"""Sends alerts by Apprise, which speaks to mail servers, chats and pagers by one form of address.

Apprise is imported where something is to be sent: a process that sends nothing has no room to keep for it.
"""

from collections.abc import Sequence
from typing import Any, Final

from ops.admin.sign import Level
from ops.alerts.message import Message
from ops.alerts.settings import AlertSettings
from ops.settings import WrongSettings

_TYPES: Final = {Level.ILL: "failure", Level.LOOK: "warning", Level.WELL: "success"}


class AppriseSender:
    """Satisfies `ops.alerts.watch.Sender`."""

    def __init__(self, addresses: Sequence[str], named: str = "ALERT_URLS") -> None:
        """Where all messages go, and by which setting.

        Raises:
            WrongSettings: one of them Apprise does not know. The text names its place and scheme, and no secret.
        """
        from apprise import Apprise  # noqa: PLC0415

        self._apprise = Apprise()
        for place, address in enumerate(addresses, start=1):
            if not self._apprise.add(address):
                scheme = address.partition("://")[0] if "://" in address else "no scheme"
                raise WrongSettings([f"{named}: address {place} ({scheme[:20]}) is none that Apprise knows"])

    async def send(self, message: Message) -> bool:
        """Send to all addresses; false where one did not take it."""
        sent = await self._apprise.async_notify(title=message.title, body=message.body, notify_type=_type_of(message))
        return bool(sent)

    async def send_page(self, message: Message, page: str) -> bool:
        """Send a whole page to those that take mail, and the message's own text to all others; false as `send`."""
        from apprise import Apprise, NotifyFormat  # noqa: PLC0415
        from apprise.plugins.email import NotifyEmail  # noqa: PLC0415

        mails, others = Apprise(), Apprise()
        for server in self._apprise:
            (mails if isinstance(server, NotifyEmail) else others).add(server)
        sent = True
        for some, body, form in ((mails, page, NotifyFormat.HTML), (others, message.body, NotifyFormat.TEXT)):
            if len(some):
                kind = _type_of(message)
                sent &= bool(
                    await some.async_notify(title=message.title, body=body, body_format=form, notify_type=kind)
                )
        return sent


def _type_of(message: Message) -> Any:
    from apprise import NotifyType  # noqa: PLC0415

    return NotifyType(_TYPES[message.level])


def report_sender_of(settings: AlertSettings) -> AppriseSender:
    """The one that the weekly report goes by.

    Raises:
        WrongSettings: as `AppriseSender`.
    """
    named = "ALERT_REPORT_URLS" if settings.report_urls.get_secret_value().split() else "ALERT_URLS"
    return AppriseSender(settings.report_addresses(), named)


def sender_of(settings: AlertSettings) -> AppriseSender:
    """The one that these settings ask for.

    Raises:
        WrongSettings: as `AppriseSender`.
    """
    return AppriseSender(settings.addresses())
