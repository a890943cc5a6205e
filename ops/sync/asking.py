"""From a request to a run: which kinds it is about, and in which steps. No I/O."""

from collections.abc import Iterator, Set
from datetime import datetime
from typing import Final

from consumers.catalog import Catalog
from consumers.rules.kinds import Kind
from consumers.rules.lookups import depths
from ops.sync_settings import STANDARD
from schemas.place import Place
from schemas.platform_event import epoch_ms
from schemas.record_filter import comparisons
from schemas.sync_run import Purpose, Run, RunDirection, RunRequest, RunStep, Task

ALL: Final = "all"


class CannotRun(Exception):
    """Why there will be no such run, in one line."""


def kinds_named(what: str, catalog: Catalog) -> list[Kind]:
    """The kinds that a request is about, parents before those that name them.

    Raises:
        CannotRun: it names none, or one that is switched off.
    """
    found = [kind for kind in catalog.kinds.values() if places_named(what, kind)]
    if not found:
        known = ", ".join([ALL, *STANDARD, *(name for name in catalog.kinds if name not in STANDARD)])
        raise CannotRun(f"the mapping has nothing that is called {what}; it may be: {known}, or an object by its name")
    on = [kind for kind in found if places_named(what, kind, catalog.off)]
    if not on:
        raise CannotRun(f"{places_named(what, found[0])[0].sobject} is switched off by SYNC_*")
    deep = depths(catalog.kinds)
    return sorted(on, key=lambda kind: (deep[kind.name], kind.name))


def places_named(what: str, kind: Kind, off: Set[str] = frozenset()) -> list[Place]:
    """The objects of a kind that a request is about, without those that are `off`; none where it is about others."""
    on = [place for place in kind.places() if place.sobject not in off]
    if what in (ALL, kind.name):
        return on
    return [place for place in on if place.sobject == STANDARD.get(what, what)]


def new_run(request: RunRequest, catalog: Catalog, *, now: int) -> Run:
    """The run that a request asks for; `now` is epoch milliseconds.

    Raises:
        CannotRun: there is nothing that it could do.
    """
    kinds = kinds_named(request.what, catalog)
    tests = [] if request.filter is None else list(comparisons(request.filter))
    paths = {each.path for each in tests}
    for kind in kinds:
        if unknown := sorted(paths - kind.by_path.keys()):
            raise CannotRun(f"the filter names {', '.join(unknown)}, which {kind.name} does not map")
        compared = {each.path for each in tests if each.present is None}
        if lookups := sorted(path for path in compared if kind.by_path[path].lookup):
            named = f"{', '.join(lookups)}, by which {kind.name} names other records"
            raise CannotRun(f"the filter compares {named}: it may only ask whether they are present")
    narrowed = any(each is not None for each in (request.filter, request.since, request.created_since))
    if request.purpose is not Purpose.SYNC and narrowed:
        raise CannotRun(f"a {request.purpose} looks at everything: it takes no filter, no since and no created_since")
    steps = tuple(RunStep(kind=kind.name, task=task) for task in _tasks(request) for kind in kinds)
    return Run(id=request.id, request=request, steps=steps, asked_at=now)


def _tasks(request: RunRequest) -> Iterator[Task]:
    """Records first: what they hold is known then, and only what differs is written."""
    match request.purpose:
        case Purpose.COMPARE:
            yield Task.COMPARE
        case Purpose.REFRESH:
            yield Task.REFRESH
        case Purpose.SYNC:
            if request.direction in (RunDirection.PULL, RunDirection.BOTH):
                yield Task.PULL
            if request.direction in (RunDirection.PUSH, RunDirection.BOTH):
                yield Task.PUSH


def milliseconds(moment: datetime | None) -> int | None:
    """Since 1970."""
    return None if moment is None else epoch_ms(moment)
