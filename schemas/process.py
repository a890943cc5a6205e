"""What the processes tell of themselves, for whoever asks whether all is well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class OrgSeen:
    """Salesforce, as one process sees it."""

    failures: int = 0
    """Calls and logins in a row that were not answered."""
    failed: int = 0
    """Milliseconds since the last of them."""
    refused: str = ""
    """The code with which it refuses our login, where only a person can help."""


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """The stream of changes, as the process sees it that owns it. Milliseconds."""

    state: str
    heard: int | None
    """Since the last frame, None before the first one."""
    silent: int
    """For how long frames and polls have not come in time; 0 while they do."""
    failures: int = 0
    """Sessions in a row that ended before a frame came."""


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a process tells every few seconds."""

    process: str
    """Names it, and the one that is started in its place."""
    name: str
    """The command that it was started by."""
    up: Sequence[str]
    """Its stages that do their work; none while it starts."""
    away: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What it cannot reach, and the sort of the error."""
    org: OrgSeen | None = None
    stream: StreamSeen | None = None


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process as it last told of itself, and how long ago that was, in milliseconds by the store's clock."""

    process: str
    name: str
    stages: Sequence[str]
    """All that were seen at work here."""
    told: int
    """Since it last told anything."""
    worked: int
    """Since its stages were last seen at work; while they start for the first time, since it was started."""
    stopped: bool = False
    """It was told to stop, and did so in order."""
    away: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    org: OrgSeen | None = None
    stream: StreamSeen | None = None
