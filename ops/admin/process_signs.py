"""What processes tell of themselves, and what of it is not as it should be. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ops.admin.sign import MINUTE, STATE, Level, Sign
from ops.reviews_view import age
from schemas.process import ProcessSeen

GONE: Final = MINUTE
"""A process tells of itself every ten seconds: one that has not for so long is gone."""
STOPPED: Final = 5 * MINUTE
"""How long what was stopped in order may be away: for a restart, an upgrade."""
SILENT: Final = MINUTE
"""For how long frames may come late: the limit itself is Salesforce's hold and `CHANGES_POLL_SLACK_SECONDS`."""
FAILURES: Final = 3
"""In a row: calls and logins without an answer, or sessions of the stream without a frame."""
LATELY: Final = 15 * MINUTE
"""A process that has asked nothing since counts no failures any more: others tell whether Salesforce answers."""
NEEDED: Final = ("reconcile", "write")
"""Without these nothing is synced, whatever the settings are. Of the subscriber its lease tells."""
OF_ORG: Final = ("salesforce", "salesforce_login")
"""Parts of which the process tells more than that they are away."""
CONNECTION: Final = "/admin/connection"


def alive(seen: ProcessSeen) -> bool:
    """Whether it was heard of lately, and has not said that it ends."""
    return not seen.stopped and seen.told <= GONE


def at_work(seen: ProcessSeen) -> bool:
    """Whether its stages do their work, or are just being started."""
    return alive(seen) and seen.worked <= GONE


def last_frame(processes: Sequence[ProcessSeen]) -> int | None:
    """Milliseconds since the owner of the stream last heard anything; None where nobody tells."""
    heard = [
        seen.stream.heard + seen.told
        for seen in processes
        if alive(seen) and seen.stream is not None and seen.stream.heard is not None
    ]
    return min(heard, default=None)


def of_processes(processes: Sequence[ProcessSeen], away: Mapping[str, str]) -> Iterator[Sign]:
    """What cannot be reached from here or there, and which stages nobody does."""
    yield from _of_away(processes, away)
    known = {stage for seen in processes for stage in seen.stages}
    # One that has just begun is not at work at any stage yet, and will be one of those that are missed.
    starts = any(alive(seen) and not seen.stages and seen.worked <= GONE for seen in processes)
    for stage in sorted(known | set(NEEDED)):
        those = [seen for seen in processes if stage in seen.stages]
        if any(at_work(seen) for seen in those):
            continue
        if those:
            yield from _of_stage(stage, min(those, key=lambda seen: seen.worked))
        elif not starts:
            yield Sign(f"gone:{stage}", Level.ILL, f"no process does {stage}", STATE)


def _of_stage(stage: str, last: ProcessSeen) -> Iterator[Sign]:
    if not last.stopped:
        told = f"{stage} does not run: it was last seen at work {age(last.worked)} ago"
        yield Sign(f"gone:{stage}", Level.ILL, told, STATE)
    elif last.worked > STOPPED:
        level = Level.ILL if stage in NEEDED else Level.LOOK
        yield Sign(f"gone:{stage}", level, f"{stage} was stopped {age(last.worked)} ago and does not run", STATE)


def _of_away(processes: Sequence[ProcessSeen], away: Mapping[str, str]) -> Iterator[Sign]:
    found = {part: f"{part} does not answer ({why})" for part, why in away.items()}
    for seen in processes:
        for part, why in seen.away.items():
            if alive(seen) and part not in OF_ORG:
                found.setdefault(part, f"{part} does not answer {seen.name} ({why})")
    for part, told in sorted(found.items()):
        yield Sign(f"away:{part}", Level.ILL, told, STATE)


def of_org(processes: Sequence[ProcessSeen], refused: Sequence[str]) -> Iterator[Sign]:
    """What stands between us and Salesforce. `refused` are the codes with which it has ended connections."""
    living = [seen for seen in processes if alive(seen)]
    orgs = [seen.org for seen in living if seen.org is not None]
    codes = sorted({*refused, *(org.refused for org in orgs)} - {""})
    if codes:
        told = f"Salesforce refuses our login ({', '.join(codes)}): nothing goes there and nothing comes from it"
        yield Sign("login_refused", Level.ILL, told, CONNECTION)
    failures = max((org.failures for org in orgs if org.failed <= LATELY), default=0)
    sessions = max((seen.stream.failures for seen in living if seen.stream is not None), default=0)
    if max(failures, sessions) >= FAILURES and not codes:
        what = "calls and logins" if failures >= sessions else "sessions of the change stream"
        told = f"Salesforce does not answer: {max(failures, sessions)} {what} in a row have failed"
        yield Sign("unreachable", Level.ILL, told, CONNECTION)
    for seen in living:
        if seen.stream is not None and seen.stream.silent and seen.stream.silent + seen.told > SILENT:
            since, state = age(seen.stream.silent + seen.told), seen.stream.state.replace("_", " ")
            yield Sign("stream_silent", Level.ILL, f"Salesforce's changes have not come for {since} ({state})", STATE)
            break
