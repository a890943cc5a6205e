"""What a new version of the mapping changes, and what it may not."""

from collections.abc import Iterator

from schemas.mapping import KindMapping, Mapping


def since(before: Mapping, after: Mapping, version: int) -> dict[str, dict[str, int]]:
    """`Mapping.since` of the version after `before`: a field keeps its own for as long as it keeps its path."""
    made: dict[str, dict[str, int]] = {}
    for name, kind in after.kinds.items():
        known = before.kinds.get(name)
        # A kind that was away may have documents: nobody has kept them meanwhile.
        had = _whereabouts(known) if known is not None else {}
        has, kept = _whereabouts(kind), before.since.get(name, {})
        if known is not None and known.lead is None:
            # No record of the kind is a Lead yet, so nothing of what is called otherwise there needs to be read.
            has = {salesforce: (path, "") for salesforce, (path, _called) in has.items()}
        numbers = {
            salesforce: kept.get(salesforce, 0) if had.get(salesforce) == where else version
            for salesforce, where in has.items()
        }
        if any(numbers.values()):
            made[name] = {field: number for field, number in numbers.items() if number}
    return made


def _whereabouts(kind: KindMapping) -> dict[str, tuple[str, str]]:
    """By Salesforce field: its path, and what it is called in Lead if it is kept there."""
    lead = {} if kind.lead is None else kind.places()[-1].names
    return {field.salesforce: (field.platform, lead.get(field.salesforce, "")) for field in kind.fields}


def impossible(before: Mapping, after: Mapping) -> list[str]:
    """What documents that are there cannot follow, a line each; empty where all can."""
    found = [
        f'kinds.{name}.{setting}: cannot change from "{was}" to "{now}", since its documents are linked; '
        f"map a kind of another name"
        for name, kind in after.kinds.items()
        if (known := before.kinds.get(name)) is not None
        for setting in ("collection", "sobject", "external_id", "token")
        if (was := getattr(known, setting)) != (now := getattr(kind, setting))
    ]
    return found + [line for name, kind in after.kinds.items() for line in _of_lead(name, before.kinds.get(name), kind)]


def _of_lead(name: str, before: KindMapping | None, after: KindMapping) -> Iterator[str]:
    """Documents that are linked to Leads would have no record any more, or one that does not name them."""
    if before is None or before.lead is None:
        return
    if after.lead is None:
        yield (
            f"kinds.{name}.lead: cannot be taken out, since documents may be linked to Leads; "
            f"with create: sobject no more Leads are made"
        )
        return
    for setting in ("external_id", "token"):
        was, now = getattr(before.lead, setting), getattr(after.lead, setting)
        if was != now:
            yield f'kinds.{name}.lead.{setting}: cannot change from "{was}" to "{now}", since Leads are linked by it'


def differences(before: Mapping, after: Mapping) -> list[str]:
    """What a person reads of the change, a line each: `customer: Phone: policy latest_wins → review`."""
    names = [*before.kinds, *(name for name in after.kinds if name not in before.kinds)]
    return [line for name in names for line in _of_kind(name, before.kinds.get(name), after.kinds.get(name))]


def _of_kind(name: str, before: KindMapping | None, after: KindMapping | None) -> Iterator[str]:
    if before is None or after is None:
        yield f"{name}: {'is new' if before is None else 'is gone: its documents are left as they are'}"
        return
    for setting in KindMapping.model_fields:
        was, now = getattr(before, setting), getattr(after, setting)
        if setting != "fields" and was != now:
            yield f"{name}: {setting} {_said(was)} → {_said(now)}"
    old, new = ({field.salesforce: field for field in kind.fields} for kind in (before, after))
    for field_name in [*old, *(field for field in new if field not in old)]:
        if field_name not in new:
            yield f"{name}: {field_name} is no longer mapped to {old[field_name].platform}"
        elif field_name not in old:
            yield f"{name}: {field_name} is mapped to {new[field_name].platform}"
        else:
            had, has = old[field_name].model_dump(mode="json"), new[field_name].model_dump(mode="json")
            changed = [f"{key} {_said(had[key])} → {_said(has[key])}" for key in had if had[key] != has[key]]
            if changed:
                yield f"{name}: {field_name}: {', '.join(changed)}"


def _said(value: object) -> str:
    """As the mapping's own text has it; of a condition only the test that it makes."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_said, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_said(each)}' for key, each in value.items() if each is not None)}}}"
    return "none" if value is None else str(value)
