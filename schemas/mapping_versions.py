"""What a new version of the mapping changes, and what it may not."""

from collections.abc import Iterator

from schemas.mapping import KindMapping, Mapping


def since(before: Mapping, after: Mapping, version: int) -> dict[str, dict[str, int]]:
    """`Mapping.since` of the version after `before`: a field keeps its own for as long as it keeps its path."""
    made: dict[str, dict[str, int]] = {}
    for name, kind in after.kinds.items():
        known = before.kinds.get(name)
        # A kind that was away may have documents: nobody has kept them meanwhile.
        paths = {field.salesforce: field.platform for field in known.fields} if known is not None else {}
        kept = before.since.get(name, {})
        numbers = {
            field.salesforce: kept.get(field.salesforce, 0)
            if paths.get(field.salesforce) == field.platform
            else version
            for field in kind.fields
        }
        if any(numbers.values()):
            made[name] = {field: number for field, number in numbers.items() if number}
    return made


def impossible(before: Mapping, after: Mapping) -> list[str]:
    """What documents that are there cannot follow, a line each; empty where all can."""
    return [
        f'kinds.{name}.{setting}: cannot change from "{was}" to "{now}", since its documents are linked; '
        f"map a kind of another name"
        for name, kind in after.kinds.items()
        if (known := before.kinds.get(name)) is not None
        for setting in ("collection", "sobject", "external_id", "token")
        if (was := getattr(known, setting)) != (now := getattr(kind, setting))
    ]


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
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]"
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {each}' for key, each in value.items())}}}"
    return "none" if value is None else str(value)
