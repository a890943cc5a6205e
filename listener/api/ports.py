"""What the API needs of the outside, whatever its routes do."""

from collections.abc import Sequence
from typing import Protocol

from schemas.api_key import ApiKey
from schemas.kept_answer import KeptAnswer
from schemas.unavailable import Unavailable

__all__ = ["Answered", "ErasedList", "KeptAnswer", "KeptAnswers", "Keys", "Notice", "SecretHash", "Unavailable"]


class Keys(Protocol):
    """Where API keys are stored."""

    async def read(self, key_id: str) -> ApiKey | None:
        """One key, revoked or not.

        Raises:
            Unavailable: the store does not answer.
        """


class SecretHash(Protocol):
    """A slow hash of secrets; both take tens of milliseconds of a core, so they are called in a thread."""

    def verify(self, hashed: str, secret: str) -> bool:
        """Whether this is the hash of the secret."""


class KeptAnswers(Protocol):
    """Answers by idempotency key, kept for a day. Every method raises `Unavailable` while the store does not answer."""

    async def begin(self, name: str, fingerprint: str) -> KeptAnswer | None:
        """Take the key for this request, if nobody has: nothing then, else what is kept under it.

        A request that began long ago and never ended, since its process was killed, is taken over.
        """

    async def finish(self, name: str, answer: KeptAnswer, about: str) -> None:
        """Keep what was answered. `about` is whom it speaks of, `<kind>/<id>`, or empty."""

    async def drop(self, name: str) -> None:
        """Let the key go: the request was not done, and may come again."""


class ErasedList(Protocol):
    """The list of erased people, by names (`schemas.erasure`)."""

    async def among(self, names: Sequence[str]) -> set[str]:
        """Those of the names that were erased.

        Raises:
            Unavailable: the store does not answer.
        """


class Answered(Protocol):
    """Told of every answer: a metric behind it."""

    def __call__(self, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template of the address, or `unknown`; never text of the caller's."""


class Notice(Protocol):
    """A log line: what happened, in a stable word, and fields that hold nothing personal."""

    def __call__(self, event: str, **fields: object) -> object:
        """Write it."""
