"""What must hold in a mapping of people who are looked up in Salesforce."""

from collections.abc import Iterator

from schemas.enrichment import OURS, TOP
from schemas.mapping import Asserts, KindMapping


def enrichment_problems(kind: KindMapping) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its place within the kind."""
    wanted = kind.enrichment
    if wanted is None:
        return
    paths = {each.platform for each in kind.fields}
    if wanted.by not in paths:
        yield f'enrichment.by: "{wanted.by}" is not mapped by this kind; allowed: {", ".join(sorted(paths))}'
    telling = [name for name, asserts in kind.events.items() if asserts is Asserts.VALUES]
    for where, names in (("registered", (wanted.registered,)), ("verified", wanted.verified)):
        for name in names:
            if name not in telling:
                yield f'enrichment.{where}: "{name}" is no event of this kind that tells values; allowed: ' + (
                    ", ".join(telling) or "none"
                )
    first: dict[tuple[bool, str], int] = {}
    for number, field in enumerate(wanted.fields):
        where = f"enrichment.fields[{number}]"
        earlier = first.setdefault((field.beside, field.name), number)
        if earlier != number:
            yield f'{where}.name: "{field.name}" is already the name of enrichment.fields[{earlier}]'
        if field.beside and (field.name in TOP or any(path.partition(".")[0] == field.name for path in paths)):
            yield f'{where}.name: "{field.name}" is mapped by this kind, or set by Tandem itself'
        if not field.beside and field.name in OURS:
            yield f'{where}.name: "{field.name}" is not allowed; {", ".join(sorted(OURS))} are set by Tandem'
        if field.lead is not None and kind.lead is None:
            yield f"{where}.lead: is not allowed without lead, which says that the kind is kept in Lead too"
