"""Where processes listen, and which of them would take one port of a machine. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from pydantic_settings import BaseSettings

from adapters.telemetry.settings import TelemetrySettings
from listener.api.settings import ApiSettings
from listener.webhook.settings import WebhookSettings
from ops.admin.settings import AdminSettings

Read = Mapping[type[BaseSettings], BaseSettings]
Place = tuple[str, str, int]
"""What says it, the address, and the port."""

_ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


def collisions(read: Read) -> Iterator[str]:
    """A line for each port of its own that a process would want for its ops port as well."""
    ops = list(_ops(read, [""]))
    for place in _own(read):
        yield from (_line(place, other) for other in ops if _is_one(place, other))


def collisions_of_one_machine(read: Read, names: Sequence[str]) -> Iterator[str]:
    """The same of these processes beside one another, whose ops ports follow one another in this order."""
    for place, other in combinations([*_own(read), *_ops(read, names)], 2):
        if _is_one(place, other):
            yield _line(place, other)


def _own(read: Read) -> Iterator[Place]:
    """What processes listen on beside their ops ports."""
    webhook, api, admin = read.get(WebhookSettings), read.get(ApiSettings), read.get(AdminSettings)
    if isinstance(webhook, WebhookSettings):
        yield "WEBHOOK_PORT", webhook.host, webhook.port
    if isinstance(api, ApiSettings):
        yield "API_PORT", api.host, api.port
    if isinstance(admin, AdminSettings):
        yield "ADMIN_PORT", admin.host, admin.port


def _ops(read: Read, names: Sequence[str]) -> Iterator[Place]:
    telemetry = read.get(TelemetrySettings)
    if isinstance(telemetry, TelemetrySettings) and telemetry.ops_port:
        for number, name in enumerate(names):
            told = f"the ops port of {name} (OPS_PORT + {number})" if number else "OPS_PORT"
            yield told, telemetry.ops_host, telemetry.ops_port + number


def _is_one(place: Place, other: Place) -> bool:
    """Whether both cannot be listened on. 0 is any port that is free."""
    _name, host, port = place
    _other, other_host, other_port = other
    hosts = {host, other_host}
    return port == other_port != 0 and (len(hosts) == 1 or not hosts.isdisjoint(_ANY_ADDRESS))


def _line(place: Place, other: Place) -> str:
    return f"{place[0]} and {other[0]} must differ: both are {place[2]}"
