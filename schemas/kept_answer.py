"""What is kept of an answer of the API, so that a request that comes again under its name hears the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request that had an idempotency key. `status` 0: it is still worked at."""

    fingerprint: str
    """Of the request: another one under the same key is refused."""
    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
