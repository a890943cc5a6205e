"""What must hold in a mapping beyond its shape, told so that its author finds the place: where, what, what is allowed.

Values are quoted: a mapping is configuration and holds no personal data.
"""

from collections.abc import Iterator
from typing import Final

from schemas.derivation import Cases, Total
from schemas.enrichment_checks import enrichment_problems
from schemas.field_mapping import Direction, FieldMapping, Policy, Transform
from schemas.making_checks import lookup_of_lead, making_problems
from schemas.mapping import KindMapping, Mapping, PlatformDeletion
from schemas.record_filter import comparisons
from schemas.system_fields import set_by_salesforce
from schemas.transforms import InvalidValue, compile_field

_OUR_PATHS: Final = ("_id", "_sync", "salesforce", "revision")
_OUR_COLLECTIONS: Final = ("salesforce_", "tandem_")
_PUBLIC: Final = "_public"
_EXCLUSIVE: Final = (
    Transform.LOWER,
    Transform.UPPER,
    Transform.PHONE_E164,
    Transform.DOMAIN,
    Transform.DATE,
    Transform.DATETIME,
    Transform.NUMBER,
    Transform.MULTI_SELECT,
    Transform.BOOLEAN,
)
_ORDERED: Final = (Transform.NUMBER, Transform.DATE, Transform.DATETIME)
_NEEDS: Final = {
    Policy.UNION: ((Transform.MULTI_SELECT,), "sets of values"),
    Policy.MAX: ((*_ORDERED, Transform.BOOLEAN), "numbers, dates and booleans"),
    Policy.MIN: ((*_ORDERED, Transform.BOOLEAN), "numbers, dates and booleans"),
}
_TWO_WAY_ONLY: Final = (Policy.REVIEW, *_NEEDS)


def problems(mapping: Mapping) -> list[str]:
    """One line for each thing that is wrong, `kinds.customer.fields[3].region: …`; empty for a good mapping."""
    return [
        *(
            f"kinds.{name}.{problem}"
            for name, kind in mapping.kinds.items()
            for problem in (
                *_kind(kind),
                *_matching(kind),
                *_fields(kind),
                *_filters(kind),
                *making_problems(kind),
                *enrichment_problems(kind),
            )
        ),
        *_between_kinds(mapping),
    ]


def _kind(kind: KindMapping) -> Iterator[str]:
    if kind.token.casefold() == kind.external_id.casefold():
        yield f'token: "{kind.token}" is the external id field too; each needs a field of its own'
    if kind.collection.startswith(_OUR_COLLECTIONS) or kind.collection.endswith(_PUBLIC):
        yield (
            f'collection: "{kind.collection}" is not allowed; names that begin with salesforce_ or tandem_, or '
            f"end with {_PUBLIC}, are used otherwise"
        )


def _filters(kind: KindMapping) -> Iterator[str]:
    """A filter sees mapped fields alone, of types that SOQL can compare so.

    A lookup is the parent's own id in the document and its record's id in Salesforce: only whether there is one can be
    asked of both alike.
    """
    by_path = {field.platform: field for field in kind.fields}
    filters = {"filters.push": kind.filters.push, "filters.pull": kind.filters.pull, "consent": kind.consent}
    if kind.enrichment is not None:
        filters["enrichment.consent"] = kind.enrichment.consent
    filters |= {f"fields[{number}].consent": field.consent for number, field in enumerate(kind.fields)}
    for where, condition in filters.items():
        for test in comparisons(condition) if condition is not None else ():
            field = by_path.get(test.path)
            if field is None:
                yield f'{where}: "{test.path}" is not mapped by this kind; allowed: {", ".join(by_path)}'
                continue
            if field.lookup is not None and test.present is None:
                yield f'{where}: "{test.path}" names a {field.lookup}; allowed: present'
                continue
            if Transform.MULTI_SELECT in field.transform and test.present is None:
                yield f'{where}: "{test.path}" holds several values; allowed: present'
            values = [test.equals, test.at_least, test.at_most, *(test.one_of or ())]
            if (test.at_least is not None or test.at_most is not None) and not {*_ORDERED} & {*field.transform}:
                yield f'{where}: "{test.path}" is neither a number nor a date; allowed: equals, one_of, present'
            yield from (f"{where}: {wrong}" for value in values if (wrong := _untakable(field, value)))


def _untakable(field: FieldMapping, value: object) -> str:
    try:
        compile_field(field).push(value)
    except InvalidValue as error:
        return str(error)
    return ""


def _fields(kind: KindMapping) -> Iterator[str]:
    by_salesforce: dict[str, int] = {}
    by_path: dict[str, int] = {}
    for number, field in enumerate(kind.fields):
        where = f"fields[{number}]"
        first = by_salesforce.setdefault(field.salesforce.casefold(), number)
        if first != number:
            yield f'{where}.salesforce: "{field.salesforce}" is already mapped by fields[{first}]'
        first = by_path.setdefault(field.platform, number)
        if first != number:
            yield f'{where}.platform: "{field.platform}" is already mapped by fields[{first}]'
        yield from (f"{where}.{problem}" for problem in _field(kind, field))
    yield from _nested_paths(by_path)


def _field(kind: KindMapping, field: FieldMapping) -> Iterator[str]:
    if field.platform.partition(".")[0] in _OUR_PATHS:
        yield f'platform: "{field.platform}" is not allowed; {", ".join(_OUR_PATHS)} are set by Tandem'
    if field.salesforce.casefold() == kind.external_id.casefold():
        yield f'salesforce: "{field.salesforce}" is the external id field of this kind, which Tandem sets itself'
    if field.salesforce.casefold() == kind.token.casefold():
        yield f'salesforce: "{field.salesforce}" is the token field of this kind, which Tandem sets itself'
    if wrong := set_by_salesforce(kind.sobject, field.salesforce):
        yield f"salesforce: {wrong}"
    yield from _policies(field)
    yield from _transforms(field)
    yield from _lookup(field)
    yield from _derived(kind, field)
    if field.consent is not None:
        yield from _consent(kind, field)


def _matching(kind: KindMapping) -> Iterator[str]:
    if kind.match is None:
        return
    usable = [each.salesforce for each in kind.fields if each.derive is None and each.lookup is None]
    for number, name in enumerate(kind.match.by):
        if name not in usable:
            yield f'match.by[{number}]: "{name}" is no mapped field; allowed: {", ".join(usable)}'


def _lookup(field: FieldMapping) -> Iterator[str]:
    if field.required and field.lookup is None:
        yield "required: true is not allowed here; it goes with a lookup"
    if field.create_only and field.direction is Direction.PULL:
        yield "create_only: true is not allowed with direction pull, which writes nothing"
    if field.create_only and field.derive is not None:
        yield "create_only: true is not allowed with derive, whose value changes"
    if field.required and field.direction is Direction.PULL:
        yield "required: true is not allowed with direction pull, which writes nothing"
    if field.lookup is not None and field.transform:
        yield f"transform: [{', '.join(field.transform)}] is not allowed with a lookup, whose values are ids"
    if len(set(field.lookups)) < len(field.lookups):
        yield f"lookup: [{', '.join(field.lookups)}] names a kind twice"


def _consent(kind: KindMapping, field: FieldMapping) -> Iterator[str]:
    """A field that is held back for want of consent must not leave by another way, nor hold all the others back."""
    if field.direction is Direction.PULL:
        yield "consent: is not allowed with direction pull, which writes nothing"
    if field.required:
        yield "consent: is not allowed with required: true; use consent of the kind, without which no record is made"
    if field.create_only:
        yield "consent: is not allowed with create_only, since the consent may come after the record is made"
    if kind.match is not None and field.salesforce in kind.match.by:
        yield "consent: is not allowed for a field of match.by, by which Salesforce is asked whatever is allowed"
    if kind.enrichment is not None and field.platform == kind.enrichment.by:
        yield "consent: is not allowed for the path by which people are looked up; use enrichment.consent"


def _derived(kind: KindMapping, field: FieldMapping) -> Iterator[str]:
    if field.derive is None:
        return
    if field.direction is not Direction.PUSH:
        yield f"direction: {field.direction} is not allowed with derive; a derived field is pushed only, allowed: push"
    if field.lookup is not None:
        yield "derive: is not allowed with a lookup"
    if isinstance(field.derive, Cases):
        totals = {each.platform for each in kind.fields if isinstance(each.derive, Total)}
        for number, case in enumerate(field.derive.cases):
            for path in sorted(case.when.keys() - totals):
                known = ", ".join(sorted(totals)) or "none"
                yield f'derive.cases[{number}].when: "{path}" is no total of this kind; allowed: {known}'


def _policies(field: FieldMapping) -> Iterator[str]:
    if field.policy in _TWO_WAY_ONLY and field.direction is not Direction.BOTH:
        yield (
            f'policy: "{field.policy}" is not allowed with direction {field.direction}; only two-way fields have '
            f"conflicts"
        )
    if field.first is Policy.REVIEW and field.direction is not Direction.BOTH:
        yield f'first: "review" is not allowed with direction {field.direction}; only two-way fields have conflicts'
    for setting, policy in (("policy", field.policy), ("first", field.first)):
        transforms, of = _NEEDS.get(policy, ((), "")) if policy is not None else ((), "")
        if transforms and not set(transforms) & set(field.transform):
            yield f'{setting}: "{policy}" is for {of}; it goes with transform {" or ".join(transforms)} only'
    if field.policy is Policy.FILL_ONLY and field.direction is Direction.PULL:
        yield 'policy: "fill_only" is not allowed with direction pull, which never fills anything; leave it out'
    if field.policy is Policy.FILL_ONLY and field.first not in (None, Policy.FILL_ONLY, Policy.SALESFORCE_WINS):
        yield (
            f'first: "{field.first}" is not allowed with policy fill_only, which never overwrites a value in '
            f"Salesforce; allowed: salesforce_wins, or leave it out"
        )


def _transforms(field: FieldMapping) -> Iterator[str]:
    if len(set(field.transform)) < len(field.transform):
        yield f"transform: [{', '.join(field.transform)}] names a transform twice"
    exclusive = [transform for transform in _EXCLUSIVE if transform in field.transform]
    if len(exclusive) > 1:
        yield (
            f"transform: {' and '.join(exclusive)} contradict each other; allowed: trim, and one of "
            f"{', '.join(_EXCLUSIVE)}"
        )
    yield from _details(field)


def _details(field: FieldMapping) -> Iterator[str]:
    """Settings that say more of a transform, without it."""
    if field.zone and not {Transform.DATE, Transform.DATETIME} & set(field.transform):
        yield f'zone: "{field.zone}" is not allowed; a zone goes with transform date or datetime only'
    if field.scale is not None and Transform.NUMBER not in field.transform:
        yield f"scale: {field.scale} is not allowed; a scale goes with transform number only"
    yield from _picklist(field)
    if field.region and Transform.PHONE_E164 not in field.transform:
        yield f'region: "{field.region}" is not allowed; a region goes with transform phone_e164 only'


def _picklist(field: FieldMapping) -> Iterator[str]:
    """Two values may be called the same only where nobody has to tell from Salesforce's value which of them it is."""
    words = field.picklist
    others = [each for each in field.transform if each not in (Transform.TRIM, Transform.MULTI_SELECT)]
    if words and others:
        yield f"picklist: is not allowed with transform {others[0]}; allowed: trim, multi_select"
    if words and field.lookup is not None:
        yield "picklist: is not allowed with a lookup, whose values are ids"
    ours: dict[str, str] = {}
    for value, theirs in words.items():
        first = ours.setdefault(theirs, value)
        if first != value and field.direction is not Direction.PUSH:
            yield f'picklist.{value}: "{theirs}" is what "{first}" is called already; only a pushed field may have that'
        if words.get(theirs, theirs) != theirs:
            yield f'picklist.{value}: "{theirs}" is a value too that is called otherwise; nobody could tell them apart'


def _nested_paths(by_path: dict[str, int]) -> Iterator[str]:
    for path, number in by_path.items():
        parts = path.split(".")
        for length in range(1, len(parts)):
            whole = ".".join(parts[:length])
            if whole in by_path:
                where = f"fields[{number}].platform"
                yield f'{where}: "{path}" lies within "{whole}", which fields[{by_path[whole]}] maps as a whole'


def _names_an_owner(field: FieldMapping) -> bool:
    """By the id alone: a value that follows from others, or that names its kind too, does not."""
    return field.derive is None and len(field.lookups) < 2


def _totals(mapping: Mapping) -> Iterator[str]:
    """A total is taken of a mapped kind, by a path that it maps: only then is its owner known."""
    for name, kind in mapping.kinds.items():
        for number, field in enumerate(kind.fields):
            total, where = field.derive, f"kinds.{name}.fields[{number}].derive"
            if not isinstance(total, Total):
                continue
            other = mapping.kinds.get(total.of)
            if other is None or total.of == name:
                others = ", ".join(each for each in mapping.kinds if each != name) or "none"
                yield f'{where}.of: "{total.of}" is no other kind; allowed: {others}'
            elif total.by not in {each.platform for each in other.fields if _names_an_owner(each)}:
                paths = ", ".join(each.platform for each in other.fields if _names_an_owner(each))
                yield f'{where}.by: "{total.by}" is not mapped by kinds.{total.of}; allowed: {paths}'


def _between_kinds(mapping: Mapping) -> Iterator[str]:
    yield from _totals(mapping)
    for name, kind in mapping.kinds.items():
        for number, field in enumerate(kind.fields):
            for named in field.lookups:
                if named not in mapping.kinds:
                    known = ", ".join(mapping.kinds)
                    yield f'kinds.{name}.fields[{number}].lookup: "{named}" is no kind; allowed: {known}'
            yield from (f"kinds.{name}.fields[{number}].{wrong}" for wrong in lookup_of_lead(mapping, kind, field))
    collections: dict[str, str] = {}
    events: dict[str, str] = {}
    for name, kind in mapping.kinds.items():
        first = collections.setdefault(kind.collection, name)
        if first != name:
            yield f'kinds.{name}.collection: "{kind.collection}" is already the collection of kinds.{first}'
        for event_type in kind.events:
            first = events.setdefault(event_type, name)
            if first != name:
                yield f'kinds.{name}.events: "{event_type}" is already an event of kinds.{first}'
    yield from _between_kinds_of_one_object(mapping)


def _between_kinds_of_one_object(mapping: Mapping) -> Iterator[str]:
    """Salesforce names do not differ by case, so they are compared without."""
    ours: dict[tuple[str, str], str] = {}
    owners: dict[tuple[str, str], str] = {}
    for name, kind in mapping.kinds.items():
        for place in kind.places():
            within = f"kinds.{name}.lead" if place.is_lead else f"kinds.{name}"
            for role, field_name in (("external_id", place.external_id), ("token", place.token)):
                first = ours.setdefault((place.sobject.casefold(), field_name.casefold()), f"{within}.{role}")
                if not first.startswith(f"kinds.{name}."):
                    yield f'{within}.{role}: "{field_name}" is already {first}; each kind needs fields of its own'
    objects = {name: {place.sobject for place in kind.places()} for name, kind in mapping.kinds.items()}
    for name, kind in mapping.kinds.items():
        sharing = [(other, sorted(objects[other] & objects[name])) for other in mapping.kinds if other != name]
        for other, shared in [(other, shared) for other, shared in sharing if shared][:1]:
            if kind.on_delete.platform is PlatformDeletion.DELETE:
                yield (
                    f'kinds.{name}.on_delete.platform: "delete" is not allowed, since kinds.{other} is kept in '
                    f"{shared[0]} too, and its records may be the same; allowed: unlink"
                )
        for number, field in enumerate(kind.fields):
            where = f"kinds.{name}.fields[{number}]"
            for place in (place for place in kind.places() if field.salesforce in place.names):
                called = place.names[field.salesforce]
                taken = ours.get((place.sobject.casefold(), called.casefold()), "")
                if taken and not taken.startswith(f"kinds.{name}."):
                    yield f'{where}.salesforce: "{called}" is {taken}, which Tandem sets itself'
                if field.direction is Direction.PULL:
                    continue
                first = owners.setdefault((place.sobject.casefold(), called.casefold()), where)
                if first != where and not first.startswith(f"kinds.{name}."):
                    yield (
                        f'{where}.direction: "{field.direction}" is not allowed, since {first} writes '
                        f"{place.sobject}.{called}; allowed: pull"
                    )
