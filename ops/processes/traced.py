"""What leaves for elsewhere than Salesforce's records, within spans."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from adapters.telemetry.tracing import Tracing
from consumers.deliver.ports import Poster
from consumers.enrichment.ports import People
from listener.webhook.trace import carried
from schemas import topics
from schemas.delivery import Answer
from schemas.people import LookFailed, PeopleQuery, Row


class TracedPoster:
    """Posts within the trace that a delivery belongs to. Satisfies `consumers.deliver.ports.Poster`."""

    def __init__(self, poster: Poster, tracing: Tracing) -> None:
        self._poster = poster
        self._tracing = tracing

    async def post(self, url: str, event_id: str, body: bytes, traceparent: str = "") -> Answer:
        """As the port."""
        with self._tracing.delivering(traceparent) as (parent, answered):
            answer = await self._poster.post(url, event_id, body, parent)
            answered(answer.status, answer.why)
            return answer


class TracedPeople:
    """Calls about people, each within a span. Satisfies `consumers.enrichment.ports.People`."""

    def __init__(self, people: People, tracing: Tracing) -> None:
        self._people = people
        self._tracing = tracing

    async def look(self, queries: Sequence[PeopleQuery], emails: Sequence[str]) -> Sequence[Sequence[Row]] | LookFailed:
        """As the port."""
        with self._tracing.looking([query.sobject for query in queries], emails) as failed:
            answer = await self._people.look(queries, emails)
            if isinstance(answer, LookFailed):
                failed(answer.code)
            return answer


class RegistrationTraces:
    """The traces of registrations. Satisfies `consumers.enrichment.ports.Traces`."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def publishing(self, traceparent: str) -> AbstractContextManager[str]:
        """As the port; where nothing is recorded the caller's trace goes on all the same."""
        if not self._tracing.on:
            return carried(traceparent)
        return self._tracing.publishing(traceparent, topics.PLATFORM_EVENTS)

    def waiting(
        self, traceparent: str, kind: str, document_id: str, email: str
    ) -> AbstractContextManager[Callable[[str], None]]:
        """As the port."""
        return self._tracing.waiting(traceparent, kind, document_id, email)
