"""What must hold in a mapping beyond its shape, told so that its author finds the place: where, what, what is allowed.

Values are quoted: a mapping is configuration and holds no personal data.
"""

from collections.abc import Iterator
from typing import Final

from schemas.mapping import Direction, FieldMapping, KindMapping, Mapping, PlatformDeletion, Policy, Transform

_OUR_PATHS: Final = ("_id", "_sync", "salesforce", "revision")
_OUR_COLLECTIONS: Final = ("salesforce_", "tandem_")
_PUBLIC: Final = "_public"
_EXCLUSIVE: Final = (
    Transform.LOWER,
    Transform.UPPER,
    Transform.PHONE_E164,
    Transform.DATE,
    Transform.NUMBER,
)
# Source: "System Fields" in the Object Reference; Salesforce sets them, and reads of a row whole bring them anyway.
_SYSTEM_FIELDS: Final = frozenset(
    {
        "id",
        "isdeleted",
        "createdbyid",
        "createddate",
        "lastmodifiedbyid",
        "lastmodifieddate",
        "systemmodstamp",
        "lastactivitydate",
        "lastreferenceddate",
        "lastvieweddate",
        "masterrecordid",
    }
)
# Source: "Compound Fields" in the Object Reference: read-only, written by their parts.
_COMPOUND_NAMES: Final = frozenset({"contact", "lead", "user"})
_COMPOUND_ADDRESSES: Final = {
    "mailingaddress": "Mailing",
    "otheraddress": "Other",
    "billingaddress": "Billing",
    "shippingaddress": "Shipping",
    "permanentaddress": "Permanent",
}


def problems(mapping: Mapping) -> list[str]:
    """One line for each thing that is wrong, `kinds.customer.fields[3].region: …`; empty for a good mapping."""
    return [
        *(
            f"kinds.{name}.{problem}"
            for name, kind in mapping.kinds.items()
            for problem in (*_kind(kind), *_fields(kind))
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
    yield from _salesforce_sets_it(kind.sobject, field.salesforce)
    yield from _policies(field)
    yield from _transforms(field)


def _policies(field: FieldMapping) -> Iterator[str]:
    if field.policy is Policy.REVIEW and field.direction is not Direction.BOTH:
        yield f'policy: "review" is not allowed with direction {field.direction}; only two-way fields have conflicts'
    if field.policy is Policy.FILL_ONLY and field.direction is Direction.PULL:
        yield 'policy: "fill_only" is not allowed with direction pull, which never fills anything; leave it out'
    if field.policy is Policy.FILL_ONLY and field.first not in (None, Policy.FILL_ONLY, Policy.SALESFORCE_WINS):
        yield (
            f'first: "{field.first}" is not allowed with policy fill_only, which never overwrites a value in '
            f"Salesforce; allowed: salesforce_wins, or leave it out"
        )


def _salesforce_sets_it(sobject: str, name: str) -> Iterator[str]:
    folded = name.casefold()
    prefix = _COMPOUND_ADDRESSES.get(folded, "" if folded == "address" else None)
    if folded in _SYSTEM_FIELDS:
        yield f'salesforce: "{name}" is set by Salesforce and cannot be mapped'
    elif folded == "name" and sobject.casefold() in _COMPOUND_NAMES:
        yield f'salesforce: "{name}" is a compound field; map its parts: FirstName, LastName'
    elif prefix is not None:
        parts = ", ".join(f"{prefix}{part}" for part in ("Street", "City", "State", "PostalCode", "Country"))
        yield f'salesforce: "{name}" is a compound field; map its parts: {parts}'


def _transforms(field: FieldMapping) -> Iterator[str]:
    if len(set(field.transform)) < len(field.transform):
        yield f"transform: [{', '.join(field.transform)}] names a transform twice"
    exclusive = [transform for transform in _EXCLUSIVE if transform in field.transform]
    if len(exclusive) > 1:
        yield (
            f"transform: {' and '.join(exclusive)} contradict each other; allowed: trim, and one of "
            f"{', '.join(_EXCLUSIVE)}"
        )
    if field.region and Transform.PHONE_E164 not in field.transform:
        yield f'region: "{field.region}" is not allowed; a region goes with transform phone_e164 only'


def _nested_paths(by_path: dict[str, int]) -> Iterator[str]:
    for path, number in by_path.items():
        parts = path.split(".")
        for length in range(1, len(parts)):
            whole = ".".join(parts[:length])
            if whole in by_path:
                where = f"fields[{number}].platform"
                yield f'{where}: "{path}" lies within "{whole}", which fields[{by_path[whole]}] maps as a whole'


def _between_kinds(mapping: Mapping) -> Iterator[str]:
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
        for role in ("external_id", "token"):
            field_name = getattr(kind, role)
            first = ours.setdefault((kind.sobject.casefold(), field_name.casefold()), f"kinds.{name}.{role}")
            if not first.startswith(f"kinds.{name}."):
                yield f'kinds.{name}.{role}: "{field_name}" is already {first}; each kind needs fields of its own'
    for name, kind in mapping.kinds.items():
        sharing = [
            other
            for other, each in mapping.kinds.items()
            if other != name and each.sobject.casefold() == kind.sobject.casefold()
        ]
        if sharing and kind.on_delete.platform is PlatformDeletion.DELETE:
            yield (
                f'kinds.{name}.on_delete.platform: "delete" is not allowed, since kinds.{sharing[0]} is kept in '
                f"{kind.sobject} too, and its records may be the same; allowed: unlink"
            )
        for number, field in enumerate(kind.fields):
            where = f"kinds.{name}.fields[{number}]"
            place = (kind.sobject.casefold(), field.salesforce.casefold())
            taken = ours.get(place, "")
            if taken and not taken.startswith(f"kinds.{name}."):
                yield f'{where}.salesforce: "{field.salesforce}" is {taken}, which Tandem sets itself'
            if field.direction is Direction.PULL:
                continue
            first = owners.setdefault(place, where)
            if first != where and not first.startswith(f"kinds.{name}."):
                yield (
                    f'{where}.direction: "{field.direction}" is not allowed, since {first} writes '
                    f"{kind.sobject}.{field.salesforce}; allowed: pull"
                )
