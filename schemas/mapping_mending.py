"""A mapping that has places of the wrong shape, read without them, so that all else that is wrong is told with them.

What cannot be read is set aside: a setting of a kind is left out, a field keeps its names alone, and a name that has to
be there is called `UNREAD`. What is said of such a mapping may follow from that; `Reading.sure` leaves it out.
"""

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from schemas.mapping import KindMapping, Mapping
from schemas.mapping_checks import problems
from schemas.mapping_reading import shape_faults

UNREAD: Final = "tandem_unread"
"""Stands for a name that is not there, or is none."""

MOST_MENDED: Final = 200
"""Of a mapping that has more wrong places than these only they are told: it is no mapping with a few mistakes."""

Location = tuple[str | int, ...]

_NEEDED: Final = ("collection", "sobject", "external_id", "token")
_NAMES: Final = ("platform", "salesforce")
_WHAT_IS_WRITTEN: Final = frozenset({"create", "defaults", "lead"})


@dataclass(frozen=True, slots=True)
class Aside:
    """What was set aside: settings of the mapping itself, whole kinds, settings by kind, and fields by kind.

    Of a field the names that are known of it are kept.
    """

    whole: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    settings: dict[str, set[str]] = field(default_factory=dict)
    fields: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def explains(self, line: str) -> bool:
        """Whether what the line says may be so only because something was set aside."""
        if UNREAD in line.casefold() or any(f'"{kind}"' in line for kind in self.kinds):
            return True
        place, _, said = line.partition(": ")
        of_org = not place.startswith("kinds.")
        kind, _, within = place.removeprefix("kinds.").partition(".")
        unplaced = {each for each, settings in self.settings.items() if _may_be_lead(settings)}
        if within.endswith("].lead") and (self.kinds or unplaced):
            return True
        if any(f"kinds.{each}." in said for each in unplaced):
            return True
        return self._of_settings(kind, within, of_org=of_org) or self._of_fields(kind, within, said, of_org=of_org)

    def _of_settings(self, kind: str, within: str, *, of_org: bool) -> bool:
        settings = self.settings.get(kind, set())
        if not settings:
            return False
        known = settings & KindMapping.model_fields.keys()
        # A name that is not known may be a misspelling of any.
        any_of_them = known != settings
        first = re.split(r"[.\[]", within)[0]
        if first in known or (any_of_them and first not in ("fields", *_NEEDED)):
            return True
        if "fields" in known and first not in _NEEDED:
            return True
        # Without lead it is not known which of its fields are kept in which object, nor who else writes them there.
        if _may_be_lead(settings) and (of_org or first == "create" or within.endswith("].direction")):
            return True
        is_required = of_org and within in ("fields", "lead.fields")
        return (is_required and bool(known & _WHAT_IS_WRITTEN)) or (first == "enrichment" and "events" in known)

    def _of_fields(self, kind: str, within: str, said: str, *, of_org: bool) -> bool:
        fields = self.fields.get(kind, {})
        names = {name for each in fields.values() for name in each}
        named = any(re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", said) for name in names)
        if of_org:
            # That a field is required which nothing writes; what is said of a field itself holds by its name alone.
            unnamed = any(len(each) < len(_NAMES) for each in fields.values())
            return within in ("fields", "lead.fields") and (named or unnamed)
        if within.endswith(_NAMES):
            return False
        return named or (bool(fields) and (".derive.cases" in within or within.startswith("lead.placeholders")))


def _may_be_lead(settings: set[str]) -> bool:
    """A name that is not known may be a misspelling of it."""
    return "lead" in settings or not settings <= KindMapping.model_fields.keys()


def _as_it_is(line: str) -> str:
    return line


@dataclass(frozen=True, slots=True)
class Reading:
    """A mapping with what is wrong with its shape; none where nothing of it can be read."""

    mapping: Mapping | None
    faults: tuple[str, ...] = ()
    aside: Aside = Aside()
    placed: Callable[[str], str] = _as_it_is
    """Gives a line that begins with a place of the mapping the number of its line, where it was written as text."""

    def own_faults(self) -> list[str]:
        """What does not hold together, a line each, as far as can be told."""
        return [] if self.mapping is None else [self.placed(line) for line in self.sure(problems(self.mapping))]

    def sure(self, lines: Iterable[str]) -> Iterator[str]:
        """Those lines that hold whatever stands where something was set aside."""
        return (line for line in lines if not self.aside.explains(line))


def read_what_can_be(raw: Any) -> Reading:
    """The mapping that these plain values say, without the places whose shape is wrong."""
    try:
        return Reading(Mapping.model_validate(raw))
    except ValidationError as error:
        faults, places = tuple(shape_faults(error)), [each["loc"] for each in error.errors()]
    aside = Aside()
    if len(places) > MOST_MENDED:
        return Reading(None, faults, aside)
    try:
        return Reading(Mapping.model_validate(_mended(raw, places, aside)), faults, aside)
    except ValidationError:
        return Reading(None, faults, aside)


def _mended(raw: Any, places: Sequence[Location], aside: Aside) -> Any:
    if not isinstance(raw, dict):
        return raw
    values = copy.deepcopy(raw)
    fields: dict[tuple[str, int], set[str]] = {}
    for place in places:
        match place:
            case ("kinds", str(kind), "fields", int(number), *rest):
                fields.setdefault((kind, number), set()).update(str(each) for each in rest[:1])
            case ("kinds", str(kind)) | ("kinds", str(kind), "[key]"):
                values["kinds"].pop(kind, None)
                aside.kinds.add(kind)
            case ("kinds", str(kind), "fields") if any(len(each) > 3 and each[:3] == place for each in places):
                pass  # a list counts as empty where all that is in it is wrong
            case ("kinds", str(kind), str(setting), *_):
                aside.settings.setdefault(kind, set()).add(setting)
            case (str(setting), *_):
                values.pop(setting, None)
                aside.whole.add(setting)
    for kind, settings in aside.settings.items():
        if kind not in aside.kinds:
            _without_settings(values["kinds"][kind], settings)
    for (kind, number), wrong in fields.items():
        if kind not in aside.kinds:
            names = _known_names(values["kinds"][kind]["fields"][number], wrong)
            aside.fields.setdefault(kind, {})[number] = set(names.values())
            values["kinds"][kind]["fields"][number] = _unread_field() | names
    return values


def _without_settings(kind: dict[str, Any], settings: Iterable[str]) -> None:
    for setting in settings:
        kind.pop(setting, None)
        if setting in _NEEDED:
            kind[setting] = UNREAD
        elif setting == "fields":
            kind[setting] = [_unread_field()]


def _unread_field() -> dict[str, str]:
    """Pulled only, since least is asked of such a field."""
    return {"platform": UNREAD, "salesforce": UNREAD, "direction": "pull"}


def _known_names(values: Any, wrong: set[str]) -> dict[str, str]:
    known = values if isinstance(values, dict) else {}
    return {name: known[name] for name in _NAMES if name in known and name not in wrong}
