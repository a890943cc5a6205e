"""What enrichment needs of the outside."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from schemas.cloudevents import Headers
from schemas.people import LookFailed, PeopleQuery, PersonRows, Row


class People(Protocol):
    """Salesforce, asked about people."""

    async def look(self, queries: Sequence[PeopleQuery], emails: Sequence[str]) -> Sequence[Sequence[Row]] | LookFailed:
        """All rows that hold one of these addresses, whatever the case, by query; never raises for the org's sake."""


class PeopleCache(Protocol):
    """What was told lately, shared by all processes. Whoever asks does without it where it is away."""

    async def get(self, kind: str, emails: Sequence[str], now: int) -> Mapping[str, PersonRows]:
        """What is known of these addresses and has not run out at `now`, epoch milliseconds; of the others nothing.

        Raises:
            Unavailable: it does not answer.
        """

    async def put(self, kind: str, found: Mapping[str, PersonRows], until: Mapping[str, int]) -> None:
        """Keep these, each until then, epoch milliseconds; but not those that are `overtaken`.

        Raises:
            Unavailable: it does not answer.
        """

    async def drop(self, *, now: int, records: Sequence[str] = (), emails: Sequence[str] = ()) -> int:
        """Forget what speaks of these records, and of these addresses; how much that was.

        That it was forgotten at `now`, epoch milliseconds, is remembered for as long as a call about it may last.

        Raises:
            Unavailable: it does not answer.
        """

    async def overtaken(self, found: Mapping[str, PersonRows]) -> Set[str]:
        """The addresses of those of which something was dropped after they had been asked about: they are no answer.

        Raises:
            Unavailable: it does not answer.
        """


class Identities(Protocol):
    """Ids given to people who were said by their e-mail address, until their document shows it: two registrations at
    once make one participant."""

    async def reserve(self, kind: str, email: str, document_id: str, instead_of: str | None = None) -> str:
        """This id for this address, if it has none for now, or has `instead_of`; the id that it has.

        Raises:
            Unavailable: it does not answer.
        """


class EventLog(Protocol):
    """`platform.events`."""

    async def append(self, *, key: bytes, value: bytes, headers: Headers) -> None:
        """Return once the event is in the log for good.

        Raises:
            Unavailable: not acknowledged.
        """


class Requests(Protocol):
    """`enrichment.requests`."""

    async def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        """Ask for these documents, by kind and id, to be looked up by whoever has time.

        Raises:
            Unavailable: the log does not answer.
        """


class Traces(Protocol):
    """The trace that a registration belongs to, by its caller's `traceparent` (W3C Trace Context), empty for none."""

    def publishing(self, traceparent: str) -> AbstractContextManager[str]:
        """Surrounds the publishing of the event; the `traceparent` to send along, empty for none."""

    def waiting(
        self, traceparent: str, kind: str, document_id: str, email: str
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Surrounds the look-up that somebody waits for; to be told how it ended."""


class Untraced:
    """Where there are no traces. Satisfies `Traces`."""

    def publishing(self, _traceparent: str) -> AbstractContextManager[str]:
        """Nothing to send along."""
        return nullcontext("")

    def waiting(
        self, _traceparent: str, _kind: str, _document_id: str, _email: str
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Nobody hears."""
        return nullcontext(lambda _end: None)


class DueDocuments(Protocol):
    """Documents whose look is still to come."""

    async def to_enrich(self, collection: str, now: int, limit: int) -> Mapping[str, int]:
        """Ids and due times of those whose time has come, oldest first.

        Raises:
            Unavailable: it does not answer.
        """

    async def postpone_look(self, collection: str, due: Mapping[str, int], until: int) -> None:
        """Move the due time to `until` where it is still the one given.

        Raises:
            Unavailable: it does not answer.
        """

    async def enriched_from(self, collection: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """By record: the documents that what is known was taken over from it.

        Raises:
            Unavailable: it does not answer.
        """

    def enriched_below(
        self, collection: str, parents: Sequence[str], together: int
    ) -> AsyncIterator[Mapping[str, Sequence[str]]]:
        """Documents in which something of one of these parents stands, so many at a time: ids, and of which it is.

        Raises:
            Unavailable: it does not answer.
        """

    async def look_again(self, collection: str, ids: Sequence[str], due: int, heard: int) -> int:
        """Have these people looked up anew from `due` on, in one call; how many there were. What was asked for before
        `heard` is no answer.

        Raises:
            Unavailable: it does not answer.
        """


class MemberDocuments(Protocol):
    """Registrations by whom they are of, and people by the campaign membership that their documents name."""

    async def registrations(
        self, collection: str, path: str, people: Sequence[str]
    ) -> Mapping[str, Sequence[dict[str, Any]]]:
        """By what their path names: ids, and of `_sync` the link and the existence.

        A person may be named by the number that their id spells.

        Raises:
            Unavailable: it does not answer.
        """

    async def naming_member(self, collection: str, member: str) -> Sequence[str]:
        """Ids of the documents that name this member (`_sync.enriched.member`).

        Raises:
            Unavailable: it does not answer.
        """
