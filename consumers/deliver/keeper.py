"""`platform.changes` into deliveries: kept before the offset moves on, so that a slow platform holds back nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consumers.deliver.ports import Deliveries, Endpoints
from consumers.ports import ErasedList, Parked, ParkedRecords, Record
from consumers.reconciler.incoming import NEWER_FORMAT
from consumers.reconciler.reconciler import concluded, parked_record
from schemas import cloudevents
from schemas.codec import Undecodable, parse, validated
from schemas.delivery import Delivery
from schemas.erasure import thing_name
from schemas.outcome import Outcome, Result
from schemas.telling import Told
from schemas.versions import Data, NewerFormat, check_record

NO_URL: Final = Result(Outcome.IGNORED, "no URL of the platform's is set")
KEPT_BEFORE: Final = Result(Outcome.DUPLICATE, "the delivery was kept before")
FORGOTTEN: Final = Result(Outcome.IGNORED, "erased: nothing is told of this person")
UNDECODABLE: Final = "undecodable"


class Keeper:
    """Satisfies `consumers.runner.ports.Handler`. `now` gives epoch milliseconds."""

    def __init__(
        self,
        deliveries: Deliveries,
        endpoints: Endpoints,
        parked: ParkedRecords,
        now: Callable[[], int],
        erased: ErasedList | None = None,
    ) -> None:
        """Without `erased` nobody can be erased."""
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._parked = parked
        self._now = now
        self._erased = erased

    async def handle(self, records: Sequence[Record]) -> list[Result]:
        """Keep a delivery for each record.

        Raises:
            Unavailable: MongoDB did not answer.
        """
        set_up = await self._endpoints.current() is not None
        ends = await self._ends(records) if set_up else [NO_URL] * len(records)
        await self._parked.conclude(concluded(records, ends, self._now()))
        return ends

    async def _ends(self, records: Sequence[Record]) -> list[Result]:
        now = self._now()
        read: dict[int, Delivery] = {}
        parked: dict[int, Parked] = {}
        for place, record in enumerate(records):
            try:
                read[place] = delivery_of(record)
            except (Undecodable, NewerFormat) as error:
                reason = UNDECODABLE if isinstance(error, Undecodable) else NEWER_FORMAT
                parked[place] = parked_record(record, reason, str(error), now)
        forgotten = await self._forgotten(records, read)
        for place in forgotten:
            read.pop(place, None)
            parked.pop(place, None)
        new = await self._deliveries.keep(list(read.values()), now)
        await self._parked.park(list(parked.values()))
        ends = []
        for place in range(len(records)):
            if place in forgotten:
                ends.append(FORGOTTEN)
            elif place in parked:
                ends.append(Result(Outcome.PARKED, parked[place].reason))
            elif read[place].id in new:
                new.discard(read[place].id)
                ends.append(Result(Outcome.APPLIED))
            else:
                ends.append(KEPT_BEFORE)
        return ends

    async def _forgotten(self, records: Sequence[Record], read: Mapping[int, Delivery]) -> set[int]:
        """The places of those about people who were erased; of one that cannot be read its key tells whom."""
        if self._erased is None:
            return set()
        names = [
            thing_name(read[place].kind, read[place].document_id)
            if place in read
            else (record.key or b"").decode("utf-8", "replace")
            for place, record in enumerate(records)
        ]
        erased = await self._erased.among(sorted(set(names)))
        return {place for place, name in enumerate(names) if name in erased}


def delivery_of(record: Record) -> Delivery:
    """The delivery that a record of `platform.changes` asks for.

    Raises:
        Undecodable: it is not one of ours.
        NewerFormat: a newer release has written it.
    """
    check_record(record.headers, Data.PLATFORM_CHANGE)
    event_id = record.headers.get(cloudevents.ID, "")
    if not event_id:
        raise Undecodable(f"no {cloudevents.ID} header")
    told = validated(Told, parse(record.value))
    return Delivery(
        id=event_id,
        kind=told.data.kind,
        document_id=told.data.id,
        type=told.type,
        revision=told.data.revision,
        body=record.value or b"",
        made_at=record.timestamp,
        traceparent=record.headers.get(cloudevents.TRACEPARENT, ""),
    )
