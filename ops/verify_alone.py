"""Records that no document is linked to, and that should have one: what a walk over documents cannot find."""

from collections.abc import Callable, Sequence

from consumers.catalog import Catalog
from consumers.ports import Documents
from consumers.rules.kinds import Kind
from consumers.rules.timing import Timing
from consumers.rules.undocumented import document_named, fields_that_tell, should_have_a_document
from consumers.rules.verify_reasons import Difference, Why
from consumers.writer.kept import KeptRecords
from ops.verify_findings import Looked
from ops.verify_untold import Untold
from schemas.polling import ModifiedRow


class Alone:
    """Looks at records without a document. Each method raises `Unavailable` where one of the sides does not answer."""

    def __init__(
        self,
        catalog: Catalog,
        documents: Documents,
        records: KeptRecords,
        timing: Timing,
        now: Callable[[], int],
        untold: Untold,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._records = records
        self._timing = timing
        self._now = now
        self._untold = untold

    async def look(self, kind: Kind, seen: Sequence[ModifiedRow]) -> list[Looked]:
        """Those that should have a document, and why they have none; `seen` are without, as it was just read."""
        modified = {one.record_id: one.modified for one in seen if not one.deleted}
        if not modified:
            return []
        read = await self._records.read(kind, sorted(modified), fields_that_tell(kind))
        server_time = read.server_time - (self._now() - read.began_at)
        named = {document_named(row, kind) for row in read.rows.values()} - {""}
        there = await self._documents.read(kind.collection, sorted(named)) if named else {}
        alone = [
            record_id
            for record_id, row in read.rows.items()
            if should_have_a_document(row, kind, is_there=document_named(row, kind) in there)
        ]
        if not alone:
            return []
        await self._untold.mark()
        # One may have been made while the record was read.
        linked = await self._documents.read_linked(kind.collection, alone)
        found = [
            Looked("", record_id, at, [Difference(self._why(kind, record_id, at, server_time))])
            for record_id in alone
            if record_id not in linked
            for at in [modified[record_id]]
        ]
        return await self._untold.explain(kind, found)

    def _why(self, kind: Kind, record_id: str, modified: int, server_time: int) -> Why:
        if self._catalog.is_off(kind, record_id):
            return Why.SWITCHED_OFF
        return Why.IN_FLIGHT if modified > server_time - self._timing.event_within else Why.NO_DOCUMENT
