"""Reads the documents that a batch of facts speaks of, in one query for each kind."""

from collections.abc import Sequence

from consumers.ports import Documents
from consumers.reconciler.batch import Batch, Fact
from consumers.reconciler.incoming import ChangeFact, PlatformFact
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Ids, named_records
from consumers.rules.stored import load


async def read_documents(documents: Documents, batch: Batch, facts: Sequence[tuple[int, Fact]]) -> None:
    """Take into the batch the documents of these facts, but for those that it has already.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    ids: dict[str, tuple[Kind, set[str]]] = {}
    links: dict[str, tuple[Kind, set[str]]] = {}
    for _place, fact in facts:
        match fact:
            case PlatformFact():
                if (fact.kind.name, fact.document_id) not in batch.documents:
                    ids.setdefault(fact.kind.name, (fact.kind, set()))[1].add(fact.document_id)
            case ChangeFact():
                for kind in fact.kinds:
                    if (kind.name, fact.change.record_id) not in batch.linked:
                        links.setdefault(kind.name, (kind, set()))[1].add(fact.change.record_id)
    for kind, wanted in links.values():
        batch.add_linked(kind, await documents.read_linked(kind.collection, sorted(wanted)))
    await _read_parents(documents, batch, facts)
    for kind, wanted in ids.values():
        batch.add(kind, await documents.read(kind.collection, sorted(wanted)))


async def _read_parents(documents: Documents, batch: Batch, facts: Sequence[tuple[int, Fact]]) -> None:
    wanted: Ids = {}
    for change in (fact for _place, fact in facts if isinstance(fact, ChangeFact)):
        for kind in change.kinds:
            for parent, ids in named_records(kind, kind.told(change.change).fields).items():
                wanted.setdefault(parent, set()).update(ids)
    for name, ids in wanted.items():
        parent_kind = batch.catalog.kinds[name]
        for found in (await documents.read_linked(parent_kind.collection, sorted(ids))).values():
            batch.parents.add(name, [load(document, document["_id"], parent_kind) for document in found])
